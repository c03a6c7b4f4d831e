#include <stdio.h>
#include <string.h>

#include "handler/encoder_help.h"

#define STEPS_MAX  5
#define TEXT_MAX   1024

typedef struct {
    const char  *id;
    const char  *name;
    const char  *steps[STEPS_MAX];  /* with {server}, {key}, {gop} … */
    const char  *command;           /* instead of steps */
} encoder_t;

typedef struct {
    const char  *name;
    const char  *value;
} word_t;


/* Every encoder sends a key frame at least as often as a segment begins: the
 * stream's latency and its segments' lengths depend on it. */

static const encoder_t encoders[] = {
    { .id = "obs", .name = "OBS Studio",
      .steps = {
          "Settings, Stream: Service \"Custom…\"",
          "Server: {server}",
          "Stream Key: {key}",
          "Settings, Output, Output Mode \"Advanced\", Streaming: Keyframe "
          "Interval {gop} s, Rate Control CBR{bitrate}" } },

    { .id = "vmix", .name = "vMix",
      .steps = {
          "The gear beside \"Stream\": Destination \"Custom RTMP Server\"",
          "URL: {server}",
          "Stream Name or Key: {key}",
          "Quality, the gear: H264, Keyframe Latency {gop}, Profile high"
          "{bitrate}",
          "Save and Close, then \"Stream\"" } },

    { .id = "larix", .name = "Larix Broadcaster",
      .steps = {
          "Settings, Connections, New connection",
          "URL: {server}/{key}",
          "Mode: Audio + Video",
          "Settings, Video: Keyframe frequency {gop} s{bitrate}" } },

    { .id = "wirecast", .name = "Wirecast",
      .steps = {
          "Output, Output Settings: Destination \"RTMP Server\"",
          "Address: {server}",
          "Stream: {key}",
          "Encoding: H.264, Key frame every {gop} s{bitrate}" } },

    { .id = "ffmpeg", .name = "FFmpeg",
      .command =
          "ffmpeg -re -i INPUT -c:v libx264 -preset veryfast "
          "-tune zerolatency -pix_fmt yuv420p "
          "-force_key_frames 'expr:gte(t,n_forced*{gop})'{rate} "
          "-c:a aac -b:a 128k -ar 48000 -f flv '{server}/{key}'" },

    { .id = "gstreamer", .name = "GStreamer",
      .command =
          "gst-launch-1.0 flvmux name=mux streamable=true ! "
          "rtmp2sink location='{server}/{key}' "
          "videotestsrc is-live=true ! video/x-raw,framerate=30/1 ! "
          "x264enc tune=zerolatency speed-preset=veryfast "
          "key-int-max={frames}{gst_rate} ! h264parse ! mux. "
          "audiotestsrc is-live=true ! audioconvert ! avenc_aac ! "
          "aacparse ! mux." },
};


/* Words in braces that are not known stay as they are. A text that does not
 * fit ends where there is no more room. */

static const char *
fill(char *dst, size_t size, const char *src, const word_t *words)
{
    size_t         len = 0, n;
    const char    *end;
    const word_t  *w;

    while (*src != '\0' && len + 1 < size) {
        end = *src == '{' ? strchr(src, '}') : NULL;

        for (w = words; end != NULL && w->name != NULL; w++) {
            if (strlen(w->name) == (size_t) (end - src - 1)
                && strncmp(w->name, src + 1, end - src - 1) == 0)
            {
                break;
            }
        }

        if (end == NULL || w->name == NULL) {
            dst[len++] = *src++;
            continue;
        }

        n = strlen(w->value);

        if (n > size - 1 - len) {
            n = size - 1 - len;
        }

        memcpy(dst + len, w->value, n);
        len += n;
        src = end + 1;
    }

    dst[len] = '\0';

    return dst;
}


static json_t *
encoder_json(const encoder_t *e, const word_t *words)
{
    int      i;
    char     text[TEXT_MAX];
    json_t  *json, *steps;

    json = json_object();
    json_object_set_new(json, "name", json_string(e->name));

    if (e->command != NULL) {
        json_object_set_new(json, "command",
            json_string(fill(text, sizeof(text), e->command, words)));
        return json;
    }

    steps = json_array();

    for (i = 0; i < STEPS_MAX && e->steps[i] != NULL; i++) {
        json_array_append_new(steps,
            json_string(fill(text, sizeof(text), e->steps[i], words)));
    }

    json_object_set_new(json, "steps", steps);

    return json;
}


json_t *
encoder_help(const char *server, int key_frame_s, int kbps)
{
    char     gop[16], frames[16], bitrate[64] = "", rate[96] = "";
    char     gst_rate[32] = "";
    size_t   i;
    json_t  *json;

    const word_t  words[] = {
        { "server", server }, { "key", ENCODER_KEY }, { "gop", gop },
        { "frames", frames }, { "bitrate", bitrate }, { "rate", rate },
        { "gst_rate", gst_rate }, { NULL, NULL }
    };

    snprintf(gop, sizeof(gop), "%d", key_frame_s);
    snprintf(frames, sizeof(frames), "%d", key_frame_s * 30);

    if (kbps > 0) {
        snprintf(bitrate, sizeof(bitrate), ", Bitrate %d kbit/s at most",
                 kbps);
        snprintf(rate, sizeof(rate), " -b:v %dk -maxrate %dk -bufsize %dk",
                 kbps, kbps, kbps);
        snprintf(gst_rate, sizeof(gst_rate), " bitrate=%d", kbps);
    }

    json = json_object();

    for (i = 0; i < sizeof(encoders) / sizeof(encoders[0]); i++) {
        json_object_set_new(json, encoders[i].id,
            encoder_json(&encoders[i], words));
    }

    return json;
}
