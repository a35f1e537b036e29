/* integer_text.c - the table of integer_text.h. */
#include "server/integer_text.h"

#define ONE(v) ((v) < 10    ? (1u << 24 | ('0' + (v)))                                                                  \
                : (v) < 100 ? (2u << 24 | ('0' + (v) / 10) | ('0' + (v) % 10) << 8)                                     \
                            : (3u << 24 | ('0' + (v) / 100) | ('0' + (v) / 10 % 10) << 8 | ('0' + (v) % 10) << 16))
#define TEN(v) ONE(v), ONE(v + 1), ONE(v + 2), ONE(v + 3), ONE(v + 4), ONE(v + 5), ONE(v + 6), ONE(v + 7), ONE(v + 8), ONE(v + 9)
#define HUNDRED(v) TEN(v), TEN(v + 10), TEN(v + 20), TEN(v + 30), TEN(v + 40), TEN(v + 50), TEN(v + 60), TEN(v + 70), TEN(v + 80), TEN(v + 90)

const uint32_t integer_texts[1000] = {HUNDRED(0),   HUNDRED(100), HUNDRED(200), HUNDRED(300), HUNDRED(400),
                                      HUNDRED(500), HUNDRED(600), HUNDRED(700), HUNDRED(800), HUNDRED(900)};
