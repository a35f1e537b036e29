/*
 * fake_reader.h - a source for query tests, made of lines of text.
 *
 * Lines are plain: cpu,host=a v=1,i=2i,s="x",b=t 10  (no escapes, times in seconds). A row written again replaces the
 * fields that it names. Shards are weeks, as a default policy has them; batches are small, so that the seams show.
 */
#ifndef TESTS_FAKE_READER_H
#define TESTS_FAKE_READER_H

#include "silt/query.h"

struct fake_source;

struct fake_source *fake_source_create(struct silt_str database, uint32_t batch_rows);
void fake_source_destroy(struct fake_source *fake);
/* Lines of text; aborts on a malformed one. */
void fake_source_write(struct fake_source *fake, const char *lines);
struct silt_source *fake_source_of(struct fake_source *fake);

/* Run a query text, give the answer as InfluxDB's JSON with epoch=s. Free with silt_buffer_free. */
struct silt_buffer fake_query(struct fake_source *fake, const char *text, struct silt_pool *pool);

#endif
