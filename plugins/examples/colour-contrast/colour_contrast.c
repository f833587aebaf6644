/*
 * Global colour contrast as a localizer in C: a colour stands out the more, the farther it is from all other colours of
 * the picture (histogram contrast, Cheng et al. 2011, "Global Contrast based Salient Region Detection", with 12 levels a
 * channel in place of their colour space). The box is that of the connected part with the most saliency.
 *
 * It takes no configuration and keeps nothing between calls.
 */
#include <fovea_plugin.h>

#include <math.h>
#include <stdlib.h>

/* Levels of a channel; LEVELS^3 colours. */
#define LEVELS 12
#define COLOURS (LEVELS * LEVELS * LEVELS)

/* What `create` makes. */
struct FoveaInstance {
    int nothing;
};

/* The part of a picture that is found. */
typedef struct Part {
    int64_t x1, y1, x2, y2;
    double sum;
} Part;

static uint8_t at(const FoveaTensor *pixels, int64_t y, int64_t x, int64_t channel) {
    const uint8_t *data = pixels->data;
    return data[y * pixels->strides[0] + x * pixels->strides[1] + channel * pixels->strides[2]];
}

static int level(uint8_t value) { return value * LEVELS / 256; }

/* The colour's contrast with the others: the mean distance, each weighted by how much of the picture it is. */
static void contrasts(const double *count, double pixels, double *contrast) {
    for (int a = 0; a < COLOURS; a++) {
        contrast[a] = 0.0;
        if (count[a] == 0.0) {
            continue;
        }
        for (int b = 0; b < COLOURS; b++) {
            if (count[b] > 0.0) {
                const double r = a / (LEVELS * LEVELS) - b / (LEVELS * LEVELS);
                const double g = a / LEVELS % LEVELS - b / LEVELS % LEVELS;
                const double blue = a % LEVELS - b % LEVELS;
                contrast[a] += count[b] / pixels * sqrt(r * r + g * g + blue * blue);
            }
        }
    }
}

/* The 4-connected part from `threshold` on that has the most saliency; the first of equals. `map` is used up. */
static Part most_salient(double *map, int64_t *todo, int64_t width, int64_t height, double threshold, double *all) {
    Part best = {0, 0, 0, 0, 0.0};
    *all = 0.0;
    for (int64_t start = 0; start < width * height; start++) {
        if (map[start] < threshold) {
            continue;
        }
        Part part = {width, height, 0, 0, 0.0};
        int64_t waiting = 0;
        todo[waiting++] = start;
        part.sum += map[start];
        map[start] = -1.0;
        while (waiting > 0) {
            const int64_t i = todo[--waiting], x = i % width, y = i / width;
            if (x < part.x1) part.x1 = x;
            if (y < part.y1) part.y1 = y;
            if (x >= part.x2) part.x2 = x + 1;
            if (y >= part.y2) part.y2 = y + 1;
            const int64_t sides[4] = {x > 0 ? i - 1 : -1, x + 1 < width ? i + 1 : -1, y > 0 ? i - width : -1,
                                      y + 1 < height ? i + width : -1};
            for (int side = 0; side < 4; side++) {
                const int64_t j = sides[side];
                /* Each pixel is taken once, so `todo` holds width * height at most. */
                if (j >= 0 && map[j] >= threshold) {
                    part.sum += map[j];
                    map[j] = -1.0;
                    todo[waiting++] = j;
                }
            }
        }
        *all += part.sum;
        if (part.sum > best.sum) {
            best = part;
        }
    }
    return best;
}

/* The average of a map over `2 * reach + 1` pixels along one axis, and over fewer at the border. */
static void smooth(const double *from, double *to, int64_t lines, int64_t length, int64_t line_step, int64_t step,
                   int64_t reach) {
    for (int64_t line = 0; line < lines; line++) {
        for (int64_t i = 0; i < length; i++) {
            double sum = 0.0;
            int64_t count = 0;
            for (int64_t j = i > reach ? i - reach : 0; j < length && j <= i + reach; j++) {
                sum += from[line * line_step + j * step];
                count++;
            }
            to[line * line_step + i * step] = sum / (double)count;
        }
    }
}

static FoveaStatus localize_one(const FoveaImage *image, size_t item, const FoveaLocalizationSink *sink,
                                FoveaError *error) {
    const FoveaTensor *pixels = image->pixels;
    if (pixels->dtype != FOVEA_U8 || pixels->ndim != 3 || pixels->shape[2] != 3) {
        return fovea_fail(error, (int64_t)item, "the picture is not u8 [height, width, 3]");
    }
    const int64_t height = pixels->shape[0], width = pixels->shape[1], count = width * height;
    if (count == 0) {
        return FOVEA_OK;
    }
    double *memory = malloc(sizeof(double) * (2 * COLOURS + 2 * (size_t)count) + sizeof(int64_t) * (size_t)count);
    if (memory == NULL) {
        return fovea_fail(error, (int64_t)item, "no memory for a picture of %lld pixels", (long long)count);
    }
    double *histogram = memory, *contrast = histogram + COLOURS, *map = contrast + COLOURS, *other = map + count;
    int64_t *todo = (int64_t *)(other + count);
    for (int colour = 0; colour < COLOURS; colour++) {
        histogram[colour] = 0.0;
    }
    for (int64_t y = 0; y < height; y++) {
        for (int64_t x = 0; x < width; x++) {
            const int colour = (level(at(pixels, y, x, 0)) * LEVELS + level(at(pixels, y, x, 1))) * LEVELS +
                               level(at(pixels, y, x, 2));
            todo[y * width + x] = colour;
            histogram[colour] += 1.0;
        }
    }
    contrasts(histogram, (double)count, contrast);
    for (int64_t i = 0; i < count; i++) {
        map[i] = contrast[todo[i]];
    }
    const int64_t reach = (width < height ? width : height) / 32;
    smooth(map, other, height, width, width, 1, reach);
    smooth(other, map, width, height, 1, width, reach);

    double sum = 0.0, most = 0.0;
    for (int64_t i = 0; i < count; i++) {
        sum += map[i];
        most = map[i] > most ? map[i] : most;
    }
    FoveaStatus status = FOVEA_OK;
    /* A picture of one colour has nothing that stands out. */
    const double mean = sum / (double)count, threshold = mean + 0.2 * (most - mean);
    if (most > mean) {
        double all;
        const Part part = most_salient(map, todo, width, height, threshold, &all);
        FoveaLocalization found = {0};
        found.size = sizeof found;
        found.x1 = (float)part.x1;
        found.y1 = (float)part.y1;
        found.x2 = (float)part.x2;
        found.y2 = (float)part.y2;
        found.confidence = (float)(part.sum / all);
        status = sink->found(sink->context, item, &found);
    }
    free(memory);
    return status;
}

static FoveaStatus localize(FoveaInstance *self, const FoveaImage *const *images, size_t count,
                            const FoveaLocalizationSink *sink, FoveaError *error) {
    (void)self;
    for (size_t item = 0; item < count; item++) {
        const FoveaStatus status = localize_one(images[item], item, sink, error);
        if (status != FOVEA_OK) {
            return status;
        }
    }
    return FOVEA_OK;
}

static FoveaStatus create(FoveaStr config, FoveaStr base_dir, FoveaInstance **instance, FoveaError *error) {
    (void)config;
    (void)base_dir;
    *instance = calloc(1, sizeof **instance);
    return *instance != NULL ? FOVEA_OK : fovea_fail(error, -1, "no memory for an instance");
}

static void destroy(FoveaInstance *self) { free(self); }

static const FoveaLocalizer localizer = {.size = sizeof localizer, .localize = localize};

static const FoveaPlugin plugin = {
    .size = sizeof plugin,
    .kind = FOVEA_LOCALIZER,
    .name = FOVEA_STR("colour-contrast"),
    .version = FOVEA_STR("1.0.0"),
    .summary = FOVEA_STR("Global colour contrast (Cheng et al. 2011), no weights."),
    .create = create,
    .destroy = destroy,
    .localizer = &localizer,
};

static const FoveaPlugin *const plugins[] = {&plugin};

static const FoveaLibrary library = {
    .size = sizeof library,
    .abi_major = FOVEA_ABI_MAJOR,
    .abi_minor = FOVEA_ABI_MINOR,
    .plugins = plugins,
    .count = 1,
};

FOVEA_NOTE(FOVEA_LOCALIZER);

FOVEA_EXPORT FoveaStatus fovea_plugin_entry(const FoveaHost *host, const FoveaLibrary **out, FoveaError *error);

FOVEA_EXPORT FoveaStatus fovea_plugin_entry(const FoveaHost *host, const FoveaLibrary **out, FoveaError *error) {
    if (host->abi_major != FOVEA_ABI_MAJOR) {
        fovea_fail(error, -1, "made for version %u of the interface", FOVEA_ABI_MAJOR);
        return FOVEA_UNSUPPORTED;
    }
    *out = &library;
    return FOVEA_OK;
}
