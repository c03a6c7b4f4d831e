#!/bin/sh
# Makes the FLV files that the unit tests read (they are checked in; run this
# only to change them). Needs ffmpeg with libx264.
set -e
cd "$(dirname "$0")"

flv() {     # name, size, frames, rate, x264 options, audio source, audio options
    ffmpeg -v error -y \
        -f lavfi -i "testsrc=size=$2:rate=$4" \
        -f lavfi -i "$6" \
        -frames:v "$3" -shortest -map_metadata -1 -fflags +bitexact \
        -pix_fmt yuv420p -c:v libx264 -crf 48 $5 -c:a aac -b:a 24k $7 \
        -flvflags no_duration_filesize -f flv "$1.flv"
}

tone="sine=frequency=440:sample_rate=44100:duration=1"
tone48="sine=frequency=440:sample_rate=48000:duration=1"

flv baseline 176x144 25 25 "-profile:v baseline -g 10" "$tone" "-ac 1"
flv bframes  854x480 25 30 "-profile:v high -bf 3 -g 12" "$tone48" "-ac 2"
flv crop     1920x1080 3 60 "-profile:v high -preset ultrafast" "$tone48" "-ac 6"
flv high422  320x180 4 30000/1001 "-pix_fmt yuv422p10le" "$tone" "-af pan=2.1|c0=c0|c1=c0|c2=c0"
flv sar      720x576 4 25 "-vf setsar=64/45,setfield=tff -flags +ilme+ildct" "$tone" "-ac 1"
flv intra    176x144 50 25 "-profile:v main -x264-params intra-refresh=1:keyint=15:bframes=0" "$tone" "-ac 1"
