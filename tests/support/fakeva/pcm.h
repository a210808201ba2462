/* H.264 without compression: the slice header is the caller's, every macroblock is I_PCM (ITU-T H.264, 7.3.5). */
#ifndef PCM_H
#define PCM_H
#include <stddef.h>
#include <stdint.h>

struct pcm_picture {
    const uint8_t *luma, *chroma; /* NV12 */
    int pitch, width, height;     /* width and height of what is stored; the rest of the last macroblocks repeats the edge */
    int mb_width, mb_height;
};

struct pcm_slice {
    const uint8_t *header; /* start code and NAL unit, up to the end of the slice header */
    size_t header_bits;
    int escaped; /* the header has emulation prevention bytes */
    int cabac, intra, qp;
};

/* Bytes that a coded picture needs at most. */
size_t pcm_bound(int mb_width, int mb_height);
/* Write the whole NAL unit; its length. */
size_t pcm_write(const struct pcm_slice *slice, const struct pcm_picture *picture, uint8_t *out);
#endif
