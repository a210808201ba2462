/* Preloaded: every file is a render node to libva's eyes, so that a plain file can stand for one. */
#include <stdlib.h>
#include <string.h>
#include <xf86drm.h>

int drmGetNodeTypeFromFd(int fd)
{
    (void)fd;
    return DRM_NODE_RENDER;
}

drmVersionPtr drmGetVersion(int fd)
{
    drmVersionPtr version = calloc(1, sizeof *version);
    (void)fd;
    version->name = strdup("fake");
    version->name_len = 4;
    version->date = strdup("");
    version->desc = strdup("");
    return version;
}
