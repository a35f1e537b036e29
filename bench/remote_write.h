/*
 * remote_write.h - line protocol as the bodies that Prometheus would send: a series with one sample per field.
 */
#ifndef BENCH_REMOTE_WRITE_H
#define BENCH_REMOTE_WRITE_H

#include "silt/text.h"

/* cpu,host=a usage=3i,idle=97.5 <time>: cpu_usage{host="a"} 3, cpu_idle{host="a"} 97.5; numbers only. Packed, appended to out. */
void remote_write_body(struct silt_str lines, struct silt_buffer *out);

#endif
