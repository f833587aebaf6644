/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file fovea_plugin.h
 * @brief The interface between Fovea (the host) and a plugin in a shared library, version 1.0.
 *
 * A library exports one symbol, `fovea_plugin_entry`, and carries one ELF note (FOVEA_NOTE), which the host reads
 * before it loads anything. The rules, for all that follows:
 *
 * - Every struct whose first member is `size` only ever grows: who fills it in sets `size = sizeof(the struct)`, who
 *   reads it looks at no member beyond `size`. Unknown flags and reserved members are zero.
 * - Inputs are borrowed for the call: keep no pointer to them. Outputs go into buffers of the host or through a sink,
 *   which copies. Nobody frees what the other side has allocated. What a plugin describes itself with (FoveaLibrary
 *   and all it points to) lives until the process ends: libraries are never unloaded.
 * - An instance is never called by two threads at a time, but not always by the same one. Two instances may be.
 * - Strings are UTF-8 with a length and no terminating zero. Numbers are in the byte order of the machine.
 * - Functions return a FoveaStatus. On anything but FOVEA_OK they fill in the error, where there is one to say.
 * - Nothing may unwind or longjmp across the boundary.
 * - The same input gives the same output, and a batch gives what its items give one by one: answers are cached, and
 *   shared between trials. Random numbers come from a seed in the configuration.
 * - A call with no items is fine and does nothing. A heatmap that is zero everywhere has no box. Heatmaps that hold NaN or
 *   infinity get an error or finite numbers.
 * `fovea plugin check` asks for all of this.
 */
#ifndef FOVEA_PLUGIN_H
#define FOVEA_PLUGIN_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Versions with another major number do not understand each other; a host takes plugins up to its own minor. */
#define FOVEA_ABI_MAJOR 1u
#define FOVEA_ABI_MINOR 0u

/** What a function returns. */
typedef int32_t FoveaStatus;
#define FOVEA_OK 0          /**< Done. */
#define FOVEA_ERROR 1       /**< Failed; the error says why. */
#define FOVEA_BAD_CONFIG 2  /**< The configuration is bad. From `resolve`: the sink has the issues. */
#define FOVEA_PANIC 3       /**< The plugin's own code panicked or threw; the instance must not be used again. */
#define FOVEA_UNSUPPORTED 4 /**< The plugin cannot do this at all. */

/** Kinds of plugins. FOVEA_NOTE takes their sum. */
#define FOVEA_LOCALIZER 1u /**< Picture -> at most one box. */
#define FOVEA_EXTRACTOR 2u /**< Heatmap -> box. */
#define FOVEA_LOSS 4u      /**< Boxes or heatmap -> a number and its gradient. */
#define FOVEA_MODEL 8u     /**< A network, as a graph of layers. */

/** Text: UTF-8, not terminated by zero. A null `ptr` with `len` 0 is the empty text. */
typedef struct FoveaStr {
    const char *ptr;
    size_t len;
} FoveaStr;

/** An error, owned by the host, who gives a buffer for the message. */
typedef struct FoveaError {
    size_t size;
    /** Which picture or heatmap of the batch it is about, from 0; -1 (as the host sets it) for none. */
    int64_t item;
    /** The host's buffer, of `capacity` bytes. */
    char *message;
    size_t capacity;
    /** Bytes of the message that were written. */
    size_t length;
} FoveaError;

/** Takes text of any length; may be called several times, the parts are joined. */
typedef struct FoveaSink {
    size_t size;
    void *context;
    /** Returns FOVEA_OK, or a status with which to return at once. */
    FoveaStatus (*write)(void *context, FoveaStr part);
} FoveaSink;

/** Element types. */
#define FOVEA_U8 1u
#define FOVEA_F32 2u

/** A strided array that is only read, laid out as in DLPack. Do not take it for contiguous. */
typedef struct FoveaTensor {
    size_t size;
    const void *data;
    uint32_t dtype;
    uint32_t ndim;
    /** `ndim` extents. */
    const int64_t *shape;
    /** `ndim` strides, in elements, which may be 0 or negative. */
    const int64_t *strides;
} FoveaTensor;

/** What the host offers. Lives until the process ends. */
typedef struct FoveaHost {
    size_t size;
    uint32_t abi_major;
    uint32_t abi_minor;
    /** Version of Fovea. */
    FoveaStr version;
    void *context;
    /** Writes a line to the trial's log: level 1 error, 2 warning, 3 information, 4 detail. From any thread. */
    void (*log)(void *context, uint32_t level, FoveaStr line);
    /** A struct of functions that later versions add, or null. */
    const void *(*get_extension)(void *context, FoveaStr id);
} FoveaHost;

/** The plugin's own; the host only hands it around. */
typedef struct FoveaInstance FoveaInstance;

/* ---- localizers ------------------------------------------------------------------------------------------------ */

/** A picture at native size. */
typedef struct FoveaImage {
    size_t size;
    /** u8, [height, width, 3], sRGB. */
    const FoveaTensor *pixels;
    /** u8 in {0, 1}, [height, width]: the true object; null unless FOVEA_WANTS_MASKS is set and there is one. */
    const FoveaTensor *mask;
    /** Name, for messages, and where the picture is from: no answer may depend on them. */
    FoveaStr id;
    FoveaStr split;
    uint64_t index;
} FoveaImage;

/** Where an object is. */
typedef struct FoveaLocalization {
    size_t size;
    /** Pixels of the picture, half-open: 0 <= x1 < x2 <= width, 0 <= y1 < y2 <= height. */
    float x1, y1, x2, y2;
    /** In 0..=1; 1 where there is no notion of it. */
    float confidence;
    uint32_t reserved;
    /** u8 in {0, 1}, [height, width]; null where the localizer makes none. */
    const FoveaTensor *mask;
} FoveaLocalization;

/** Takes what was found, at most once per picture. */
typedef struct FoveaLocalizationSink {
    size_t size;
    void *context;
    /** `item` counts the pictures of the call from 0. Returns FOVEA_OK, or a status with which to return at once. */
    FoveaStatus (*found)(void *context, size_t item, const FoveaLocalization *localization);
} FoveaLocalizationSink;

/** Flags of localizers and losses: it looks at true masks (localizers), or at target masks (losses). */
#define FOVEA_WANTS_MASKS 1u
/** Flags of losses: it looks at the boxes extracted from heatmaps. */
#define FOVEA_WANTS_BOXES 2u
/** Flags of losses: it looks at heatmaps. */
#define FOVEA_WANTS_HEATMAPS 4u
/** Flags of losses: `evaluate` multiplies its gradients by `upstream` itself. Otherwise the host does. */
#define FOVEA_SCALES_GRADIENTS 8u

typedef struct FoveaLocalizer {
    size_t size;
    uint32_t flags;
    /** Pictures that it likes to get in one call; 0 is 1. A crash is charged to all pictures of the call. */
    uint32_t batch;
    /** Says for each picture where the object is, and nothing where it finds none. */
    FoveaStatus (*localize)(FoveaInstance *self, const FoveaImage *const *images, size_t count,
                            const FoveaLocalizationSink *sink, FoveaError *error);
} FoveaLocalizer;

/* ---- box extractors -------------------------------------------------------------------------------------------- */

/** Boxes of N heatmaps, in contiguous buffers of the host, all zero at the call. */
typedef struct FoveaBoxes {
    size_t size;
    /** [N, 4]: x1, y1, x2, y2, pixels of the heatmap, half-open. */
    float *hard;
    /** [N, 4]: what the loss is computed from; null when only hard boxes are wanted. Often equal to the hard ones. */
    float *differentiable;
    /** [N]: 1 where there is a box. Rows of other heatmaps are ignored, but must be finite. */
    uint8_t *valid;
} FoveaBoxes;

typedef struct FoveaExtractor {
    size_t size;
    uint32_t flags;
    uint32_t reserved;
    /** `heatmaps`: f32, [N, H, W], normalised. */
    FoveaStatus (*extract)(FoveaInstance *self, const FoveaTensor *heatmaps, const FoveaBoxes *boxes,
                           FoveaError *error);
    /**
     * The vector-Jacobian product of the differentiable boxes; null when they are constants.
     * `boxes_gradient`: f32, [N, 4], zero where there is no box. `heatmaps_gradient`: [N, H, W], contiguous, zero at
     * the call: write d(sum of boxes_gradient * differentiable) / d heatmaps.
     */
    FoveaStatus (*vjp)(FoveaInstance *self, const FoveaTensor *heatmaps, const FoveaTensor *boxes_gradient,
                       float *heatmaps_gradient, FoveaError *error);
} FoveaExtractor;

/* ---- explanation losses ---------------------------------------------------------------------------------------- */

/** What a loss sees of N pictures of `height` x `width` pixels. */
typedef struct FoveaExplanation {
    size_t size;
    size_t count;
    size_t height;
    size_t width;
    /** f32, [N, 4]: predicted boxes, pixels; null without FOVEA_WANTS_BOXES. */
    const FoveaTensor *boxes;
    /** f32, [N, 4]: target boxes, pixels. */
    const FoveaTensor *targets;
    /** f32, [N, H, W]: normalised heatmaps; null without FOVEA_WANTS_HEATMAPS. */
    const FoveaTensor *heatmaps;
    /** f32 in {0, 1}, [N, H, W]: target masks; null without FOVEA_WANTS_MASKS, and where the localizer has none. */
    const FoveaTensor *masks;
    /** [N]: 1 where boxes and targets mean something. Values of other pictures are ignored, but must be finite. */
    const uint8_t *valid;
    /** [N]: by what each picture's gradient will be multiplied; null for ones, and without FOVEA_SCALES_GRADIENTS. */
    const float *upstream;
} FoveaExplanation;

/** Value and gradient, in contiguous buffers of the host, all zero at the call. */
typedef struct FoveaLossValue {
    size_t size;
    /** [N]: the loss of each picture, finite. */
    float *values;
    /** [N, 4]: d values[n] / d boxes[n]; null when no gradient is wanted, and without FOVEA_WANTS_BOXES. */
    float *boxes_gradient;
    /** [N, H, W]: d values[n] / d heatmaps[n]; null when no gradient is wanted, and without FOVEA_WANTS_HEATMAPS. */
    float *heatmaps_gradient;
} FoveaLossValue;

typedef struct FoveaLoss {
    size_t size;
    uint32_t flags;
    uint32_t reserved;
    FoveaStatus (*evaluate)(FoveaInstance *self, const FoveaExplanation *explanation, const FoveaLossValue *value,
                            FoveaError *error);
} FoveaLoss;

/* ---- models ---------------------------------------------------------------------------------------------------- */

/** What the network is for. */
typedef struct FoveaModelRequest {
    size_t size;
    uint32_t channels;
    uint32_t height;
    uint32_t width;
    uint32_t classes;
} FoveaModelRequest;

typedef struct FoveaModel {
    size_t size;
    uint32_t flags;
    uint32_t reserved;
    /** Writes the graph of layers as JSON. The host builds it from its own layers. */
    FoveaStatus (*graph)(FoveaInstance *self, const FoveaModelRequest *request, const FoveaSink *sink,
                         FoveaError *error);
} FoveaModel;

/* ---- the library ----------------------------------------------------------------------------------------------- */

/** One plugin of a library. */
typedef struct FoveaPlugin {
    size_t size;
    /** One of FOVEA_LOCALIZER, FOVEA_EXTRACTOR, FOVEA_LOSS, FOVEA_MODEL. */
    uint32_t kind;
    uint32_t reserved;
    /** Name in experiments: lower case, digits and hyphens. */
    FoveaStr name;
    FoveaStr version;
    /** One line for help. */
    FoveaStr summary;
    /** JSON Schema (an object) of its configuration, with the defaults. Empty: it takes none. */
    FoveaStr config_schema;
    /** Keys of the configuration that say where files are: their contents count for a trial's identity. */
    const FoveaStr *path_keys;
    size_t path_key_count;
    /**
     * Checks a configuration (a JSON object) and writes it with all defaults filled in. On FOVEA_BAD_CONFIG writes
     * [{"path": ["key"], "message": "...", "suggestion": "..." or null}, ...] instead. Null: the host goes by the
     * schema (type, enum, minimum, maximum, default, required; unknown keys are errors).
     */
    FoveaStatus (*resolve)(FoveaStr config, FoveaStr base_dir, const FoveaSink *sink, FoveaError *error);
    /** Makes an instance from a resolved configuration. Relative paths in it start at `base_dir`. */
    FoveaStatus (*create)(FoveaStr config, FoveaStr base_dir, FoveaInstance **instance, FoveaError *error);
    /** Frees an instance. */
    void (*destroy)(FoveaInstance *self);
    /** A struct of functions that later versions know, or null. May itself be null. */
    const void *(*get_extension)(FoveaStr id);
    /** The functions of its kind; the other three are null. */
    const FoveaLocalizer *localizer;
    const FoveaExtractor *extractor;
    const FoveaLoss *loss;
    const FoveaModel *model;
} FoveaPlugin;

/** What a library holds. */
typedef struct FoveaLibrary {
    size_t size;
    /** The versions it was built for. */
    uint32_t abi_major;
    uint32_t abi_minor;
    const FoveaPlugin *const *plugins;
    size_t count;
} FoveaLibrary;

#if defined(_WIN32)
#define FOVEA_EXPORT __declspec(dllexport)
#else
#define FOVEA_EXPORT __attribute__((visibility("default")))
#endif

/** The one exported symbol: `fovea_plugin_entry`. Called once per process, before anything else. */
typedef FoveaStatus FoveaEntry(const FoveaHost *host, const FoveaLibrary **library, FoveaError *error);

/**
 * The note that the host reads before it loads the library: ELF section `.note.fovea`, owner "Fovea", type 1.
 * Write FOVEA_NOTE(FOVEA_LOCALIZER); once per library, with the sum of its kinds.
 */
typedef struct FoveaNote {
    uint32_t name_size;
    uint32_t description_size;
    uint32_t type;
    char name[8];
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t kinds;
    uint32_t reserved;
} FoveaNote;

#define FOVEA_NOTE(kinds_)                                                                            \
    __attribute__((section(".note.fovea"), used, aligned(4))) static const FoveaNote fovea_note = {   \
        6u, 16u, 1u, "Fovea\0", FOVEA_ABI_MAJOR, FOVEA_ABI_MINOR, (kinds_), 0u}

/* ---- conveniences for C ---------------------------------------------------------------------------------------- */

/** A FoveaStr of a string literal. */
#define FOVEA_STR(literal) {(literal), sizeof(literal) - 1}

/** Writes an error's message as printf does, and the item that it is about (-1 for none). Returns FOVEA_ERROR. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4), unused))
#endif
static FoveaStatus fovea_fail(FoveaError *error, int64_t item, const char *format, ...) {
    if (error != NULL) {
        error->item = item;
        error->length = 0;
        if (error->message != NULL && error->capacity > 0) {
            va_list arguments;
            va_start(arguments, format);
            int length = vsnprintf(error->message, error->capacity, format, arguments);
            va_end(arguments);
            if (length > 0) {
                error->length = (size_t)length < error->capacity ? (size_t)length : error->capacity - 1;
            }
        }
    }
    return FOVEA_ERROR;
}

#ifdef __cplusplus
}
#endif

#endif /* FOVEA_PLUGIN_H */
