/*
 * How to type an ingest address into what people broadcast with. Pure.
 *
 * The texts hold a place for the stream key (ENCODER_KEY), never a key: the
 * control plane knows only its hash.
 */

#ifndef ENCODER_HELP_H
#define ENCODER_HELP_H

#include <jansson.h>

#define ENCODER_KEY  "YOUR_STREAM_KEY"

/*
 * server: "rtmp://host[:port]/app". key_frame_s: seconds between key frames
 * that the stream's segments want; kbps: what the video may take, 0: not said.
 *
 * {"obs": {"name", "steps": […]}, …, "ffmpeg": {"name", "command"}, …};
 * a new reference, NULL when out of memory.
 */
json_t *encoder_help(const char *server, int key_frame_s, int kbps);

#endif
