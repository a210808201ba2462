/* A VA-API driver without hardware, for tests: libva loads it as fake_drv_video.so (LIBVA_DRIVERS_PATH, LIBVA_DRIVER_NAME).
 *
 * It lists what FAKEVA_TABLE says, uploads, scales, and encodes H.264 without compression; decoding always fails.
 *   FAKEVA_TABLE=FILE    vendor text, then lines of two numbers: profile, entry point
 *   FAKEVA_INIT_FAIL=1   the driver does not start
 *   FAKEVA_FAIL_CONTEXT=1
 *   FAKEVA_FAIL_AT=N, FAKEVA_HANG_AT=N, FAKEVA_CRASH_AT=N   when the Nth frame (from 1) is encoded
 *   FAKEVA_BLACK=1       frames come out black
 *   FAKEVA_RC=MASK       rate control modes (VA_RC_*), CQP, CBR and VBR without it
 *   FAKEVA_SIZE="LEAST_WIDTH MOST_WIDTH LEAST_HEIGHT MOST_HEIGHT"
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <va/va_backend.h>
#include <va/va_backend_vpp.h>
#include <va/va_enc_h264.h>
#include <va/va_vpp.h>

#include "pcm.h"

#define OBJECTS 4096
#define PAIRS 128
#define HEADERS 65536

struct object {
    enum { FREE, CONFIG, CONTEXT, SURFACE, BUFFER, IMAGE } kind;
    int width, height, entry, config, type;
    size_t size, elements, used;
    uint8_t *data;
    VACodedBufferSegment segment;
};

static struct object objects[OBJECTS];
static struct { int profile, entry; } pairs[PAIRS];
static int pair_count, frame;
static char vendor[256] = "Fake VA-API driver - 1.0";
static struct {
    VASurfaceID target;
    VAEncPictureParameterBufferH264 picture;
    VAEncSliceParameterBufferH264 slice;
    VAEncPackedHeaderParameterBuffer packed;
    VAProcPipelineParameterBuffer process;
    uint8_t headers[HEADERS], slice_header[HEADERS];
    size_t length;
} now;

static int number(const char *name, int otherwise)
{
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

static int create(int kind, size_t size)
{
    for (int id = 1; id < OBJECTS; id++)
        if (objects[id].kind == FREE) {
            objects[id] = (struct object){.kind = kind, .size = size, .data = size ? calloc(1, size) : NULL};
            return id;
        }
    abort();
}

static VAStatus destroy(VADriverContextP ctx, unsigned id)
{
    (void)ctx;
    free(objects[id].data);
    objects[id] = (struct object){0};
    return VA_STATUS_SUCCESS;
}

static int pitch(int width) { return (width + 63) & ~63; }

static size_t nv12_size(int width, int height) { return (size_t)pitch(width) * (height + (height + 1) / 2); }

static VAStatus query_profiles(VADriverContextP ctx, VAProfile *list, int *count)
{
    (void)ctx;
    *count = 0;
    for (int i = 0; i < pair_count; i++) {
        int known = 0;
        for (int j = 0; j < *count; j++)
            known |= (int)list[j] == pairs[i].profile;
        if (!known)
            list[(*count)++] = pairs[i].profile;
    }
    return VA_STATUS_SUCCESS;
}

static VAStatus query_entries(VADriverContextP ctx, VAProfile profile, VAEntrypoint *list, int *count)
{
    (void)ctx;
    *count = 0;
    for (int i = 0; i < pair_count; i++)
        if (pairs[i].profile == (int)profile)
            list[(*count)++] = pairs[i].entry;
    return *count ? VA_STATUS_SUCCESS : VA_STATUS_ERROR_UNSUPPORTED_PROFILE;
}

static VAStatus get_attributes(VADriverContextP ctx, VAProfile profile, VAEntrypoint entry, VAConfigAttrib *list, int count)
{
    (void)ctx, (void)profile, (void)entry;
    for (int i = 0; i < count; i++)
        switch (list[i].type) {
        case VAConfigAttribRTFormat: list[i].value = VA_RT_FORMAT_YUV420; break;
        case VAConfigAttribRateControl: list[i].value = number("FAKEVA_RC", VA_RC_CQP | VA_RC_CBR | VA_RC_VBR); break;
        case VAConfigAttribEncPackedHeaders:
            list[i].value = VA_ENC_PACKED_HEADER_SEQUENCE | VA_ENC_PACKED_HEADER_SLICE | VA_ENC_PACKED_HEADER_MISC;
            break;
        case VAConfigAttribEncMaxRefFrames: list[i].value = 1; break; /* P frames, no B frames */
        default: list[i].value = VA_ATTRIB_NOT_SUPPORTED;
        }
    return VA_STATUS_SUCCESS;
}

static VAStatus create_config(VADriverContextP ctx, VAProfile profile, VAEntrypoint entry, VAConfigAttrib *list, int count, VAConfigID *id)
{
    (void)ctx, (void)profile, (void)list, (void)count;
    *id = create(CONFIG, 0);
    objects[*id].entry = entry;
    return VA_STATUS_SUCCESS;
}

static VAStatus query_surface(VADriverContextP ctx, VAConfigID config, VASurfaceAttrib *list, unsigned *count)
{
    static const VASurfaceAttribType types[] = {
        VASurfaceAttribMinWidth, VASurfaceAttribMaxWidth, VASurfaceAttribMinHeight, VASurfaceAttribMaxHeight,
        VASurfaceAttribPixelFormat, VASurfaceAttribMemoryType,
    };
    int values[] = {32, 4096, 32, 4096, VA_FOURCC_NV12, VA_SURFACE_ATTRIB_MEM_TYPE_VA};
    (void)ctx, (void)config;
    if (getenv("FAKEVA_SIZE"))
        sscanf(getenv("FAKEVA_SIZE"), "%d %d %d %d", &values[0], &values[1], &values[2], &values[3]);
    for (unsigned i = 0; list && i < 6 && i < *count; i++) {
        list[i] = (VASurfaceAttrib){.type = types[i], .flags = VA_SURFACE_ATTRIB_GETTABLE};
        list[i].value.type = VAGenericValueTypeInteger;
        list[i].value.value.i = values[i];
    }
    *count = 6;
    return VA_STATUS_SUCCESS;
}

static VAStatus create_surfaces(VADriverContextP ctx, unsigned format, unsigned width, unsigned height, VASurfaceID *list, unsigned count,
                                VASurfaceAttrib *attributes, unsigned attribute_count)
{
    (void)ctx, (void)format, (void)attributes, (void)attribute_count;
    for (unsigned i = 0; i < count; i++) {
        list[i] = create(SURFACE, nv12_size(width, height));
        objects[list[i]].width = width;
        objects[list[i]].height = height;
    }
    return VA_STATUS_SUCCESS;
}

static VAStatus destroy_surfaces(VADriverContextP ctx, VASurfaceID *list, int count)
{
    for (int i = 0; i < count; i++)
        destroy(ctx, list[i]);
    return VA_STATUS_SUCCESS;
}

static VAStatus create_context(VADriverContextP ctx, VAConfigID config, int width, int height, int flag, VASurfaceID *list, int count, VAContextID *id)
{
    (void)ctx, (void)flag, (void)list, (void)count;
    if (number("FAKEVA_FAIL_CONTEXT", 0))
        return VA_STATUS_ERROR_ALLOCATION_FAILED;
    *id = create(CONTEXT, 0);
    objects[*id].entry = objects[config].entry;
    objects[*id].width = width;
    objects[*id].height = height;
    return VA_STATUS_SUCCESS;
}

static VAStatus create_buffer(VADriverContextP ctx, VAContextID context, VABufferType type, unsigned size, unsigned count, void *data, VABufferID *id)
{
    (void)ctx;
    size_t bytes = (size_t)size * count;
    if (type == VAEncCodedBufferType) /* larger than asked for: nothing is compressed */
        bytes = HEADERS + pcm_bound((objects[context].width + 15) / 16, (objects[context].height + 15) / 16);
    *id = create(BUFFER, bytes);
    objects[*id].type = type;
    objects[*id].elements = count;
    if (data)
        memcpy(objects[*id].data, data, bytes);
    return VA_STATUS_SUCCESS;
}

static VAStatus set_elements(VADriverContextP ctx, VABufferID id, unsigned count)
{
    (void)ctx, (void)id, (void)count;
    return VA_STATUS_SUCCESS;
}

static VAStatus map_buffer(VADriverContextP ctx, VABufferID id, void **data)
{
    (void)ctx;
    struct object *buffer = &objects[id];
    *data = buffer->data;
    if (buffer->type == VAEncCodedBufferType) {
        buffer->segment = (VACodedBufferSegment){.size = buffer->used, .buf = buffer->data};
        *data = &buffer->segment;
    }
    return VA_STATUS_SUCCESS;
}

static VAStatus fine(VADriverContextP ctx, unsigned id)
{
    (void)ctx, (void)id;
    return VA_STATUS_SUCCESS;
}

static VAStatus begin_picture(VADriverContextP ctx, VAContextID context, VASurfaceID target)
{
    (void)ctx, (void)context;
    now.target = target;
    now.length = 0;
    return VA_STATUS_SUCCESS;
}

static VAStatus render_picture(VADriverContextP ctx, VAContextID context, VABufferID *list, int count)
{
    (void)ctx, (void)context;
    for (int i = 0; i < count; i++) {
        struct object *buffer = &objects[list[i]];
        switch (buffer->type) {
        case VAEncPictureParameterBufferType: memcpy(&now.picture, buffer->data, sizeof now.picture); break;
        case VAEncSliceParameterBufferType: memcpy(&now.slice, buffer->data, sizeof now.slice); break;
        case VAEncPackedHeaderParameterBufferType: memcpy(&now.packed, buffer->data, sizeof now.packed); break;
        case VAProcPipelineParameterBufferType: memcpy(&now.process, buffer->data, sizeof now.process); break;
        case VAEncPackedHeaderDataBufferType:
            if (buffer->size > HEADERS - now.length)
                return VA_STATUS_ERROR_NOT_ENOUGH_BUFFER;
            if (now.packed.type == VAEncPackedHeaderSlice) {
                memcpy(now.slice_header, buffer->data, buffer->size);
            } else {
                memcpy(now.headers + now.length, buffer->data, buffer->size);
                now.length += buffer->size;
            }
        }
    }
    return VA_STATUS_SUCCESS;
}

static VAStatus encode(struct object *context)
{
    struct object *surface = &objects[now.target], *coded = &objects[now.picture.coded_buf];
    frame++;
    if (frame == number("FAKEVA_CRASH_AT", 0))
        abort();
    while (frame == number("FAKEVA_HANG_AT", 0))
        pause();
    if (frame == number("FAKEVA_FAIL_AT", 0) || now.slice.slice_type % 5 == 1 || now.slice.cabac_init_idc)
        return VA_STATUS_ERROR_ENCODING_ERROR;
    if (number("FAKEVA_BLACK", 0)) {
        memset(surface->data, 16, (size_t)pitch(surface->width) * surface->height);
        memset(surface->data + (size_t)pitch(surface->width) * surface->height, 128, surface->size / 3);
    }
    struct pcm_picture picture = {
        surface->data, surface->data + (size_t)pitch(surface->width) * surface->height, pitch(surface->width),
        surface->width, surface->height, (context->width + 15) / 16, (context->height + 15) / 16,
    };
    struct pcm_slice slice = {
        now.slice_header, now.packed.bit_length, now.packed.has_emulation_bytes, now.picture.pic_fields.bits.entropy_coding_mode_flag,
        now.slice.slice_type % 5 == 2, now.picture.pic_init_qp + now.slice.slice_qp_delta,
    };
    memcpy(coded->data, now.headers, now.length);
    coded->used = now.length + pcm_write(&slice, &picture, coded->data + now.length);
    return VA_STATUS_SUCCESS;
}

static VAStatus scale(void)
{
    struct object *from = &objects[now.process.surface], *to = &objects[now.target];
    for (int plane = 0; plane < 2; plane++) {
        int rows = plane ? to->height / 2 : to->height, columns = plane ? to->width / 2 : to->width, step = plane ? 2 : 1;
        int from_rows = plane ? from->height / 2 : from->height, from_columns = plane ? from->width / 2 : from->width;
        const uint8_t *in = from->data + (plane ? (size_t)pitch(from->width) * from->height : 0);
        uint8_t *out = to->data + (plane ? (size_t)pitch(to->width) * to->height : 0);
        for (int y = 0; y < rows; y++)
            for (int x = 0; x < columns; x++)
                memcpy(out + y * pitch(to->width) + x * step,
                       in + y * from_rows / rows * pitch(from->width) + x * from_columns / columns * step, step);
    }
    return VA_STATUS_SUCCESS;
}

static VAStatus end_picture(VADriverContextP ctx, VAContextID context)
{
    (void)ctx;
    switch (objects[context].entry) {
    case VAEntrypointEncSlice:
    case VAEntrypointEncSliceLP: return encode(&objects[context]);
    case VAEntrypointVideoProc: return scale();
    default: return VA_STATUS_ERROR_DECODING_ERROR;
    }
}

static VAStatus query_image_formats(VADriverContextP ctx, VAImageFormat *list, int *count)
{
    (void)ctx;
    list[0] = (VAImageFormat){.fourcc = VA_FOURCC_NV12, .byte_order = VA_LSB_FIRST, .bits_per_pixel = 12};
    *count = 1;
    return VA_STATUS_SUCCESS;
}

static VAStatus create_image(VADriverContextP ctx, VAImageFormat *format, int width, int height, VAImage *image)
{
    int buffer = create(BUFFER, nv12_size(width, height));
    (void)ctx;
    objects[buffer].type = VAImageBufferType;
    *image = (VAImage){
        .image_id = create(IMAGE, 0), .format = *format, .buf = buffer, .width = width, .height = height,
        .data_size = objects[buffer].size, .num_planes = 2, .pitches = {pitch(width), pitch(width)},
        .offsets = {0, pitch(width) * height},
    };
    objects[image->image_id] = (struct object){.kind = IMAGE, .width = width, .height = height, .config = buffer};
    return VA_STATUS_SUCCESS;
}

static VAStatus derive_image(VADriverContextP ctx, VASurfaceID surface, VAImage *image)
{
    (void)ctx, (void)surface, (void)image;
    return VA_STATUS_ERROR_OPERATION_FAILED;
}

static VAStatus destroy_image(VADriverContextP ctx, VAImageID id)
{
    destroy(ctx, objects[id].config);
    return destroy(ctx, id);
}

static void copy(struct object *surface, struct object *image, int to_surface)
{
    int width = image->width < surface->width ? image->width : surface->width;
    int height = image->height < surface->height ? image->height : surface->height;
    uint8_t *picture = objects[image->config].data;
    for (int row = 0; row < height + height / 2; row++) {
        int chroma = row >= height;
        uint8_t *a = surface->data + (size_t)pitch(surface->width) * (chroma ? surface->height + row - height : row);
        uint8_t *b = picture + (size_t)pitch(image->width) * (chroma ? image->height + row - height : row);
        memcpy(to_surface ? a : b, to_surface ? b : a, width);
    }
}

static VAStatus get_image(VADriverContextP ctx, VASurfaceID surface, int x, int y, unsigned width, unsigned height, VAImageID image)
{
    (void)ctx, (void)x, (void)y, (void)width, (void)height;
    copy(&objects[surface], &objects[image], 0);
    return VA_STATUS_SUCCESS;
}

static VAStatus put_image(VADriverContextP ctx, VASurfaceID surface, VAImageID image, int x, int y, unsigned width, unsigned height,
                          int to_x, int to_y, unsigned to_width, unsigned to_height)
{
    (void)ctx, (void)x, (void)y, (void)width, (void)height, (void)to_x, (void)to_y, (void)to_width, (void)to_height;
    copy(&objects[surface], &objects[image], 1);
    return VA_STATUS_SUCCESS;
}

static VAStatus query_pipeline(VADriverContextP ctx, VAContextID context, VABufferID *filters, unsigned count, VAProcPipelineCaps *caps)
{
    (void)ctx, (void)context, (void)filters, (void)count;
    *caps = (VAProcPipelineCaps){0};
    return VA_STATUS_SUCCESS;
}

static VAStatus query_filters(VADriverContextP ctx, VAContextID context, VAProcFilterType *list, unsigned *count)
{
    (void)ctx, (void)context, (void)list;
    *count = 0;
    return VA_STATUS_SUCCESS;
}

static VAStatus leave(VADriverContextP ctx)
{
    (void)ctx;
    return VA_STATUS_SUCCESS;
}

static VAStatus unsupported(void) { return VA_STATUS_ERROR_UNIMPLEMENTED; }

static void read_table(void)
{
    static const int usual[][2] = {
        {VAProfileH264ConstrainedBaseline, VAEntrypointVLD}, {VAProfileH264ConstrainedBaseline, VAEntrypointEncSlice},
        {VAProfileH264Main, VAEntrypointVLD}, {VAProfileH264Main, VAEntrypointEncSlice},
        {VAProfileH264High, VAEntrypointVLD}, {VAProfileH264High, VAEntrypointEncSlice},
        {VAProfileNone, VAEntrypointVideoProc},
    };
    const char *path = getenv("FAKEVA_TABLE");
    FILE *file = path ? fopen(path, "r") : NULL;
    pair_count = 0;
    if (file) {
        if (fgets(vendor, sizeof vendor, file))
            vendor[strcspn(vendor, "\n")] = 0;
        while (pair_count < PAIRS && fscanf(file, "%d %d", &pairs[pair_count].profile, &pairs[pair_count].entry) == 2)
            pair_count++;
        fclose(file);
        return;
    }
    for (; pair_count < (int)(sizeof usual / sizeof usual[0]); pair_count++) {
        pairs[pair_count].profile = usual[pair_count][0];
        pairs[pair_count].entry = usual[pair_count][1];
    }
}

VAStatus __vaDriverInit_1_0(VADriverContextP ctx)
{
    if (number("FAKEVA_INIT_FAIL", 0))
        return VA_STATUS_ERROR_OPERATION_FAILED;
    read_table();
    ctx->version_major = VA_MAJOR_VERSION;
    ctx->version_minor = VA_MINOR_VERSION;
    ctx->max_profiles = ctx->max_entrypoints = PAIRS;
    ctx->max_attributes = 64;
    ctx->max_image_formats = ctx->max_subpic_formats = ctx->max_display_attributes = 1;
    ctx->str_vendor = vendor;
    *ctx->vtable = (struct VADriverVTable){
        .vaTerminate = leave, .vaQueryConfigProfiles = query_profiles, .vaQueryConfigEntrypoints = query_entries,
        .vaGetConfigAttributes = get_attributes, .vaCreateConfig = create_config, .vaDestroyConfig = destroy,
        .vaQuerySurfaceAttributes = query_surface, .vaCreateSurfaces2 = create_surfaces, .vaDestroySurfaces = destroy_surfaces,
        .vaCreateContext = create_context, .vaDestroyContext = destroy, .vaCreateBuffer = create_buffer,
        .vaBufferSetNumElements = set_elements, .vaMapBuffer = map_buffer, .vaUnmapBuffer = fine, .vaDestroyBuffer = destroy,
        .vaBeginPicture = begin_picture, .vaRenderPicture = render_picture, .vaEndPicture = end_picture, .vaSyncSurface = fine,
        .vaQueryImageFormats = query_image_formats, .vaCreateImage = create_image, .vaDeriveImage = derive_image,
        .vaDestroyImage = destroy_image, .vaGetImage = get_image, .vaPutImage = put_image,
    };
    void **slots = (void **)ctx->vtable;
    for (size_t i = 0; i <= offsetof(struct VADriverVTable, vaCopy) / sizeof(void *); i++)
        if (!slots[i])
            slots[i] = (void *)unsupported;
    ctx->vtable_vpp->version = VA_DRIVER_VTABLE_VPP_VERSION;
    ctx->vtable_vpp->vaQueryVideoProcPipelineCaps = query_pipeline;
    ctx->vtable_vpp->vaQueryVideoProcFilters = query_filters;
    return VA_STATUS_SUCCESS;
}
