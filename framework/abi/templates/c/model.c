/* @NAME@: a network for Fovea, which builds it from its own layers. `fovea_plugin.h` has the rules. */
#include "fovea_plugin.h"

#include <stdlib.h>

/* What `create` makes: put here what is kept between calls. */
struct FoveaInstance {
    int nothing;
};

/* Padding that is not given keeps the size of the map; "classes" is the number of classes. */
static const FoveaStr layers = FOVEA_STR(
    "{\"layers\": ["
    "{\"op\": \"conv\", \"out\": 16, \"kernel\": 3}, {\"op\": \"batch-norm\"}, {\"op\": \"relu\"},"
    "{\"op\": \"max-pool\", \"kernel\": 2},"
    "{\"op\": \"conv\", \"out\": 32, \"kernel\": 3}, {\"op\": \"batch-norm\"}, {\"op\": \"relu\"},"
    "{\"op\": \"global-avg-pool\"}, {\"op\": \"linear\", \"out\": \"classes\"}"
    "]}");

static FoveaStatus graph(FoveaInstance *self, const FoveaModelRequest *request, const FoveaSink *sink,
                         FoveaError *error) {
    (void)self;
    (void)request;
    (void)error;
    return sink->write(sink->context, layers);
}

static const FoveaModel table = {.size = sizeof table, .graph = graph};
