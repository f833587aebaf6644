
static FoveaStatus create(FoveaStr config, FoveaStr base_dir, FoveaInstance **instance, FoveaError *error) {
    /* `config` is a JSON object, here an empty one: describe keys in `config_schema` of the plugin below. */
    (void)config;
    (void)base_dir;
    *instance = calloc(1, sizeof **instance);
    return *instance != NULL ? FOVEA_OK : fovea_fail(error, -1, "no memory for an instance");
}

static void destroy(FoveaInstance *self) { free(self); }

static const FoveaPlugin plugin = {
    .size = sizeof plugin,
    .kind = @FLAG@,
    .name = FOVEA_STR("@NAME@"),
    .version = FOVEA_STR("0.1.0"),
    .summary = FOVEA_STR("@SUMMARY@"),
    .create = create,
    .destroy = destroy,
    .@KIND@ = &table,
};

static const FoveaPlugin *const plugins[] = {&plugin};

static const FoveaLibrary library = {
    .size = sizeof library,
    .abi_major = FOVEA_ABI_MAJOR,
    .abi_minor = FOVEA_ABI_MINOR,
    .plugins = plugins,
    .count = 1,
};

/* Fovea reads this before it loads the library. */
FOVEA_NOTE(@FLAG@);

FOVEA_EXPORT FoveaStatus fovea_plugin_entry(const FoveaHost *host, const FoveaLibrary **out, FoveaError *error);

FOVEA_EXPORT FoveaStatus fovea_plugin_entry(const FoveaHost *host, const FoveaLibrary **out, FoveaError *error) {
    if (host->abi_major != FOVEA_ABI_MAJOR) {
        fovea_fail(error, -1, "made for version %u of the interface", FOVEA_ABI_MAJOR);
        return FOVEA_UNSUPPORTED;
    }
    *out = &library;
    return FOVEA_OK;
}
