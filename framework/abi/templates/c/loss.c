/* @NAME@: an explanation loss for Fovea: squared distance of the edges of two boxes, in diagonals of the picture.
   `fovea_plugin.h` has the rules. */
#include "fovea_plugin.h"

#include <stdlib.h>

/* What `create` makes: put here what is kept between calls. */
struct FoveaInstance {
    int nothing;
};

static float at(const FoveaTensor *boxes, size_t n, int i) {
    return ((const float *)boxes->data)[(int64_t)n * boxes->strides[0] + i * boxes->strides[1]];
}

static FoveaStatus evaluate(FoveaInstance *self, const FoveaExplanation *seen, const FoveaLossValue *out,
                            FoveaError *error) {
    (void)self;
    if (seen->boxes == NULL) {
        return fovea_fail(error, -1, "this loss compares boxes, and there are none");
    }
    const float height = (float)seen->height, width = (float)seen->width;
    const float diagonal_squared = height * height + width * width;
    const float scale = diagonal_squared > 0.0f ? 1.0f / diagonal_squared : 0.0f;
    for (size_t n = 0; n < seen->count; n++) {
        if (!seen->valid[n]) {
            continue; /* The buffers are zero. */
        }
        float sum = 0.0f;
        for (int i = 0; i < 4; i++) {
            const float away = at(seen->boxes, n, i) - at(seen->targets, n, i);
            sum += away * away;
            if (out->boxes_gradient != NULL) {
                out->boxes_gradient[4 * n + (size_t)i] = 2.0f * away * scale;
            }
        }
        out->values[n] = sum * scale;
    }
    return FOVEA_OK;
}

static const FoveaLoss table = {.size = sizeof table, .flags = FOVEA_WANTS_BOXES, .evaluate = evaluate};
