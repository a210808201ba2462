#include "pcm.h"

#include <stdlib.h>
#include <string.h>

struct bits {
    uint8_t *data;
    size_t at; /* in bits */
};

static void put(struct bits *bits, int bit)
{
    uint8_t mask = 0x80 >> (bits->at & 7);
    if (bit)
        bits->data[bits->at >> 3] |= mask;
    else
        bits->data[bits->at >> 3] &= ~mask;
    bits->at++;
}

static void align(struct bits *bits, int bit)
{
    while (bits->at & 7)
        put(bits, bit);
}

static void ue(struct bits *bits, unsigned value)
{
    int length = 31 - __builtin_clz(value + 1);
    for (int i = 0; i < length; i++)
        put(bits, 0);
    for (int i = length; i >= 0; i--)
        put(bits, (value + 1) >> i & 1);
}

/* Arithmetic coding, 9.3.4.2 to 9.3.4.5. */
static const uint8_t lps_range[64][4] = {
    {128, 176, 208, 240}, {128, 167, 197, 227}, {128, 158, 187, 216}, {123, 150, 178, 205}, {116, 142, 169, 195},
    {111, 135, 160, 185}, {105, 128, 152, 175}, {100, 122, 144, 166}, {95, 116, 137, 158},  {90, 110, 130, 150},
    {85, 104, 123, 142},  {81, 99, 117, 135},   {77, 94, 111, 128},   {73, 89, 105, 122},   {69, 85, 100, 116},
    {66, 80, 95, 110},    {62, 76, 90, 104},    {59, 72, 86, 99},     {56, 69, 81, 94},     {53, 65, 77, 89},
    {51, 62, 73, 85},     {48, 59, 69, 80},     {46, 56, 66, 76},     {43, 53, 63, 72},     {41, 50, 59, 69},
    {39, 48, 56, 65},     {37, 45, 54, 62},     {35, 43, 51, 59},     {33, 41, 48, 56},     {32, 39, 46, 53},
    {30, 37, 43, 50},     {29, 35, 41, 48},     {27, 33, 39, 45},     {26, 31, 37, 43},     {24, 30, 35, 41},
    {23, 28, 33, 39},     {22, 27, 32, 37},     {21, 26, 30, 35},     {20, 24, 29, 33},     {19, 23, 27, 31},
    {18, 22, 26, 30},     {17, 21, 25, 28},     {16, 20, 23, 27},     {15, 19, 22, 25},     {14, 18, 21, 24},
    {14, 17, 20, 23},     {13, 16, 19, 22},     {12, 15, 18, 21},     {12, 14, 17, 20},     {11, 14, 16, 19},
    {11, 13, 15, 18},     {10, 12, 15, 17},     {10, 12, 14, 16},     {9, 11, 13, 15},      {9, 11, 12, 14},
    {8, 10, 12, 14},      {8, 9, 11, 13},       {7, 9, 11, 12},       {7, 9, 10, 12},       {7, 8, 10, 11},
    {6, 8, 9, 11},        {6, 7, 9, 10},        {6, 7, 8, 9},         {2, 2, 2, 2},
};
static const uint8_t after_lps[64] = {
    0,  0,  1,  2,  2,  4,  4,  5,  6,  7,  8,  9,  9,  11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22, 22, 23, 24,
    24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35, 36, 36, 36, 37, 37, 37, 38, 38, 63,
};

struct context {
    uint8_t state, mps;
};

struct cabac {
    struct bits *bits;
    unsigned low, range;
    int outstanding, first;
};

static void begin(struct cabac *cabac)
{
    cabac->low = 0;
    cabac->range = 510;
    cabac->outstanding = 0;
    cabac->first = 1;
}

static void put_bit(struct cabac *cabac, int bit)
{
    if (cabac->first)
        cabac->first = 0;
    else
        put(cabac->bits, bit);
    for (; cabac->outstanding; cabac->outstanding--)
        put(cabac->bits, !bit);
}

static void renormalise(struct cabac *cabac)
{
    while (cabac->range < 256) {
        if (cabac->low < 256) {
            put_bit(cabac, 0);
        } else if (cabac->low >= 512) {
            cabac->low -= 512;
            put_bit(cabac, 1);
        } else {
            cabac->low -= 256;
            cabac->outstanding++;
        }
        cabac->range <<= 1;
        cabac->low <<= 1;
    }
}

static void decide(struct cabac *cabac, struct context *context, int bin)
{
    unsigned lps = lps_range[context->state][cabac->range >> 6 & 3];
    cabac->range -= lps;
    if (bin != context->mps) {
        cabac->low += cabac->range;
        cabac->range = lps;
        if (context->state == 0)
            context->mps = !context->mps;
        context->state = after_lps[context->state];
    } else if (context->state < 62) {
        context->state++;
    }
    renormalise(cabac);
}

static void terminate(struct cabac *cabac, int bin)
{
    cabac->range -= 2;
    if (!bin) {
        renormalise(cabac);
        return;
    }
    cabac->low += cabac->range;
    cabac->range = 2;
    renormalise(cabac);
    put_bit(cabac, cabac->low >> 9 & 1);
    put(cabac->bits, cabac->low >> 8 & 1);
    put(cabac->bits, 1);
}

static struct context start(int m, int n, int qp)
{
    int state = (m * qp >> 4) + n;
    state = state < 1 ? 1 : state > 126 ? 126 : state;
    return state <= 63 ? (struct context){63 - state, 0} : (struct context){state - 64, 1};
}

static void samples(struct bits *bits, const struct pcm_picture *picture, int mb_x, int mb_y)
{
    uint8_t *out = bits->data + (bits->at >> 3);
    for (int y = 0; y < 16; y++)
        for (int x = 0; x < 16; x++) {
            int row = mb_y * 16 + y, column = mb_x * 16 + x;
            row = row < picture->height ? row : picture->height - 1;
            column = column < picture->width ? column : picture->width - 1;
            *out++ = picture->luma[row * picture->pitch + column];
        }
    for (int plane = 0; plane < 2; plane++)
        for (int y = 0; y < 8; y++)
            for (int x = 0; x < 8; x++) {
                int row = mb_y * 8 + y, column = mb_x * 8 + x, height = (picture->height + 1) / 2, width = (picture->width + 1) / 2;
                row = row < height ? row : height - 1;
                column = column < width ? column : width - 1;
                *out++ = picture->chroma[row * picture->pitch + column * 2 + plane];
            }
    bits->at += 384 * 8;
}

static void write_cabac(struct bits *bits, const struct pcm_slice *slice, const struct pcm_picture *picture)
{
    /* Tables 9-12 to 9-14, cabac_init_idc 0: mb_type of I slices (ctxIdx 3 to 5), mb_skip_flag (11 to 13), mb_type of P slices (14, 17). */
    int qp = slice->qp < 0 ? 0 : slice->qp;
    struct context intra[3] = {start(20, -15, qp), start(2, 54, qp), start(3, 74, qp)};
    struct context skipped[3] = {start(23, 33, qp), start(23, 2, qp), start(21, 0, qp)};
    struct context is_intra = start(1, 9, qp), not_nxn = start(5, 57, qp);
    struct cabac cabac = {.bits = bits};
    align(bits, 1);
    begin(&cabac);
    for (int mb = 0, count = picture->mb_width * picture->mb_height; mb < count; mb++) {
        int mb_x = mb % picture->mb_width, mb_y = mb / picture->mb_width;
        if (slice->intra) {
            decide(&cabac, &intra[(mb_x > 0) + (mb_y > 0)], 1);
        } else {
            decide(&cabac, &skipped[(mb_x > 0) + (mb_y > 0)], 0);
            decide(&cabac, &is_intra, 1);
            decide(&cabac, &not_nxn, 1);
        }
        terminate(&cabac, 1);
        align(bits, 0);
        samples(bits, picture, mb_x, mb_y);
        begin(&cabac);
        terminate(&cabac, mb == count - 1);
    }
    align(bits, 0); /* the last bit of the arithmetic code was the stop bit */
}

static void write_cavlc(struct bits *bits, const struct pcm_slice *slice, const struct pcm_picture *picture)
{
    for (int mb = 0; mb < picture->mb_width * picture->mb_height; mb++) {
        if (!slice->intra)
            ue(bits, 0); /* mb_skip_run */
        ue(bits, slice->intra ? 25 : 30);
        align(bits, 0);
        samples(bits, picture, mb % picture->mb_width, mb / picture->mb_width);
    }
    put(bits, 1);
    align(bits, 0);
}

size_t pcm_bound(int mb_width, int mb_height)
{
    return (size_t)mb_width * mb_height * 600 + 65536;
}

size_t pcm_write(const struct pcm_slice *slice, const struct pcm_picture *picture, uint8_t *out)
{
    size_t whole = (slice->header_bits + 7) / 8, code = slice->header[2] == 1 ? 3 : 4, dropped = 0, length = code;
    struct bits bits = {calloc(1, pcm_bound(picture->mb_width, picture->mb_height)), 0};
    int zeros = 0;
    for (size_t i = code; i < whole; i++) {
        uint8_t byte = slice->header[i];
        if (slice->escaped && zeros >= 2 && byte == 3) {
            dropped++;
            zeros = 0;
            continue;
        }
        zeros = byte ? 0 : zeros + 1;
        bits.data[i - code - dropped] = byte;
    }
    bits.at = slice->header_bits - 8 * (code + dropped);
    if (slice->cabac)
        write_cabac(&bits, slice, picture);
    else
        write_cavlc(&bits, slice, picture);
    memcpy(out, slice->header, code);
    zeros = 0;
    for (size_t i = 0; i < bits.at / 8; i++) {
        if (zeros >= 2 && bits.data[i] <= 3) {
            out[length++] = 3;
            zeros = 0;
        }
        out[length++] = bits.data[i];
        zeros = bits.data[i] ? 0 : zeros + 1;
    }
    free(bits.data);
    return length;
}
