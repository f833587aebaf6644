/* @NAME@: a box extractor for Fovea: a box of a fixed size around a heatmap's centre of mass. `fovea_plugin.h` has the
   rules. */
#include "fovea_plugin.h"

#include <math.h>
#include <stdlib.h>

/* Side of the box, as a part of the heatmap's. */
#define SIDE 0.5

/* What `create` makes: put here what is kept between calls. */
struct FoveaInstance {
    int nothing;
};

typedef struct Centre {
    double mass, x, y;
} Centre;

/* Mass of heatmap n and its centre; mass 0 where there is none. */
static Centre centre_of(const FoveaTensor *maps, int64_t n) {
    Centre centre = {0.0, 0.0, 0.0};
    for (int64_t y = 0; y < maps->shape[1]; y++) {
        for (int64_t x = 0; x < maps->shape[2]; x++) {
            const int64_t at = n * maps->strides[0] + y * maps->strides[1] + x * maps->strides[2];
            const double value = ((const float *)maps->data)[at];
            centre.mass += value;
            centre.x += value * ((double)x + 0.5);
            centre.y += value * ((double)y + 0.5);
        }
    }
    if (!isfinite(centre.mass) || centre.mass <= 1e-12) {
        centre.mass = 0.0;
        return centre;
    }
    centre.x /= centre.mass;
    centre.y /= centre.mass;
    return centre;
}

static double clamp(double value, double most) { return value < 0.0 ? 0.0 : value > most ? most : value; }

static FoveaStatus extract(FoveaInstance *self, const FoveaTensor *heatmaps, const FoveaBoxes *boxes,
                           FoveaError *error) {
    (void)self;
    if (heatmaps->dtype != FOVEA_F32 || heatmaps->ndim != 3) {
        return fovea_fail(error, -1, "the heatmaps are not f32 [N, H, W]");
    }
    const double height = (double)heatmaps->shape[1], width = (double)heatmaps->shape[2];
    const double limits[4] = {width, height, width, height};
    for (int64_t n = 0; n < heatmaps->shape[0]; n++) {
        const Centre centre = centre_of(heatmaps, n);
        if (centre.mass == 0.0) {
            continue; /* No box: the buffers are zero. */
        }
        const double dx = width * SIDE / 2.0, dy = height * SIDE / 2.0;
        const double edges[4] = {centre.x - dx, centre.y - dy, centre.x + dx, centre.y + dy};
        boxes->valid[n] = 1;
        for (int i = 0; i < 4; i++) {
            boxes->hard[4 * n + i] = (float)clamp(edges[i], limits[i]);
            if (boxes->differentiable != NULL) {
                boxes->differentiable[4 * n + i] = (float)edges[i];
            }
        }
    }
    return FOVEA_OK;
}

/* d centre.x / d value = (x - centre.x) / mass, and both edges move with the centre. */
static FoveaStatus vjp(FoveaInstance *self, const FoveaTensor *heatmaps, const FoveaTensor *boxes_gradient,
                       float *heatmaps_gradient, FoveaError *error) {
    (void)self;
    (void)error;
    const int64_t height = heatmaps->shape[1], width = heatmaps->shape[2];
    for (int64_t n = 0; n < heatmaps->shape[0]; n++) {
        const Centre centre = centre_of(heatmaps, n);
        if (centre.mass == 0.0) {
            continue;
        }
        double edge[4];
        for (int i = 0; i < 4; i++) {
            edge[i] = ((const float *)
                           boxes_gradient->data)[n * boxes_gradient->strides[0] + i * boxes_gradient->strides[1]];
        }
        for (int64_t y = 0; y < height; y++) {
            for (int64_t x = 0; x < width; x++) {
                const double across = (edge[0] + edge[2]) * ((double)x + 0.5 - centre.x);
                const double down = (edge[1] + edge[3]) * ((double)y + 0.5 - centre.y);
                heatmaps_gradient[(n * height + y) * width + x] = (float)((across + down) / centre.mass);
            }
        }
    }
    return FOVEA_OK;
}

static const FoveaExtractor table = {.size = sizeof table, .extract = extract, .vjp = vjp};
