/*
 * regex.c - Go's regular expressions on PCRE2.
 *
 *     pattern --regex_translate--> PCRE2 pattern --compile, JIT--> match
 *        \--^(lit|lit|...)$------> sorted list of texts --search--> match
 *
 * The second way is for what dashboards send: a long list of names, which would pass PCRE2's limit on size.
 *
 * RE2 takes linear time whatever the pattern; a backtracking engine does not. So matching has a bound on its steps,
 * and past it PCRE2's other matcher takes over, which keeps all alternatives side by side. That one gets its own
 * code, with .*? in front: it then goes over the subject once, not once from every place in it. At worst, with
 * repeated groups in repeated groups, it takes the cube of the subject's length: (a+)+$ on 2000 times a, 1.5 s.
 * It has bounds of its own; what passes those is logged and counts as no match.
 *
 * Bytes that are not UTF-8 read as U+FFFD, as in Go.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "base/regex_syntax.h"

#include <pcre2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define MATCH_STEPS_MAX 20000
#define SIDE_BY_SIDE_STEPS_MAX 10000
#define SIDE_BY_SIDE_DEPTH_MAX 1000
#define DFA_WORKSPACE_MIN 1000
#define DFA_WORKSPACE_MAX (4 * 1024 * 1024) /* ints */

struct silt_regex {
    struct silt_str pattern;
    pcre2_code *code; /* NULL: texts instead */
    bool jit;
    pcre2_code *side_by_side; /* NULL: code cannot take long */
    struct silt_str *texts; /* sorted */
    size_t text_count;
    char *text_bytes;
};

/* ---------------------------------------------------------------- what PCRE2 needs once */

static pthread_once_t shared_once = PTHREAD_ONCE_INIT;
static pcre2_compile_context *compile_context;
static pcre2_match_context *match_context, *side_by_side_context;
static pthread_key_t match_data_key;

static void free_match_data(void *data)
{
    pcre2_match_data_free(data);
}

static void make_shared(void)
{
    compile_context = pcre2_compile_context_create(NULL);
    match_context = pcre2_match_context_create(NULL);
    side_by_side_context = pcre2_match_context_create(NULL);
    silt_assert(compile_context && match_context && side_by_side_context);
    pcre2_set_newline(compile_context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(compile_context, 5000);
    pcre2_set_match_limit(match_context, MATCH_STEPS_MAX);
    pcre2_set_match_limit(side_by_side_context, SIDE_BY_SIDE_STEPS_MAX);
    pcre2_set_depth_limit(side_by_side_context, SIDE_BY_SIDE_DEPTH_MAX);
    silt_assert(pthread_key_create(&match_data_key, free_match_data) == 0);
}

/* A thread's own, for it is written by every match. */
static pcre2_match_data *thread_match_data(void)
{
    static _Thread_local pcre2_match_data *data;

    if (!data) {
        data = pcre2_match_data_create(1, NULL);
        silt_assert(data);
        pthread_setspecific(match_data_key, data);
    }
    return data;
}

/* ---------------------------------------------------------------- lists of texts */

static bool is_meta(char c)
{
    return strchr("\\.+*?()|[]{}^$", c) != NULL;
}

static int compare_texts(const void *a, const void *b)
{
    return silt_str_compare(*(const struct silt_str *)a, *(const struct silt_str *)b);
}

/* Take the pattern apart if it is ^text$ or ^(text|text|...)$; the syntax is known to be good. */
static bool split_texts(struct silt_regex *regex)
{
    const char *p = regex->pattern.p, *end = p + regex->pattern.len;
    size_t alternatives = 1;

    if (regex->pattern.len < 2 || *p != '^' || end[-1] != '$')
        return false;
    p++;
    end--;
    bool group = p < end && *p == '(' && end[-1] == ')';
    if (group) {
        p++;
        end--;
        if (end - p >= 2 && p[0] == '?' && p[1] == ':')
            p += 2;
    }
    for (const char *c = p; c < end; c++)
        alternatives += *c == '|';
    if (!group && alternatives > 1)
        return false;

    char *out = regex->text_bytes = silt_malloc((size_t)(end - p) + 1);
    regex->texts = silt_calloc(alternatives, sizeof *regex->texts);
    struct silt_str *text = &regex->texts[regex->text_count++];
    *text = (struct silt_str){out, 0};
    for (; p < end; p++) {
        if (*p == '|') {
            text = &regex->texts[regex->text_count++];
            *text = (struct silt_str){out, 0};
            continue;
        }
        if (*p == '\\') {
            p++;
            if (p == end || (!is_meta(*p) && !strchr("-/_ :,;@#%&=<>~\"'`!", *p)) || *p == '\0')
                return false;
        } else if (is_meta(*p)) {
            return false;
        }
        if ((uint8_t)*p == 0xef) /* maybe U+FFFD, which bad bytes equal */
            return false;
        *out++ = *p;
        text->len++;
    }
    qsort(regex->texts, regex->text_count, sizeof *regex->texts, compare_texts);
    return true;
}

static void free_texts(struct silt_regex *regex)
{
    free(regex->texts);
    free(regex->text_bytes);
    regex->texts = NULL;
    regex->text_bytes = NULL;
    regex->text_count = 0;
}

/* ---------------------------------------------------------------- compiling */

static pcre2_code *compile_code(struct silt_regex *regex, struct silt_str translated, uint32_t more_options,
                                struct silt_error *err)
{
    const uint32_t options = PCRE2_UTF | PCRE2_DOTALL | PCRE2_ALT_CIRCUMFLEX | PCRE2_NEVER_BACKSLASH_C |
                             PCRE2_NO_AUTO_CAPTURE | PCRE2_NO_UTF_CHECK | more_options;
    int code;
    PCRE2_SIZE offset;

    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)translated.p, translated.len, options, &code, &offset, compile_context);
    if (!compiled) {
        PCRE2_UCHAR message[120];
        pcre2_get_error_message(code, message, sizeof message);
        (void)silt_fail(err, SILT_INVALID, "error parsing regexp: %s: `%.*s`", (const char *)message,
                        SILT_FMT(regex->pattern));
    }
    return compiled;
}

static enum silt_status compile(struct silt_regex *regex, struct silt_str translated, struct silt_error *err)
{
    struct silt_buffer searching = {0};

    if (!(regex->code = compile_code(regex, translated, 0, err)))
        return SILT_INVALID;
    regex->jit = pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) == 0;
    if (!strpbrk(regex->pattern.p, "*+{?"))
        return SILT_OK;
    silt_buffer_str(&searching, SILT_STR("\\A.*?("));
    silt_buffer_str(&searching, translated);
    silt_buffer_char(&searching, ')');
    regex->side_by_side = compile_code(regex, (struct silt_str){searching.p, searching.len}, PCRE2_NO_AUTO_POSSESS, err);
    silt_buffer_free(&searching);
    return regex->side_by_side ? SILT_OK : SILT_INVALID;
}

bool regex_knows_script(struct silt_str name)
{
    char pattern[64];
    int code;
    PCRE2_SIZE offset;

    pthread_once(&shared_once, make_shared);
    /* PCRE2 is loose about case, hyphens and short names; Go has one name each: Greek, Old_Italic, SignWriting. */
    if (name.len < 2 || name.len > 40 || name.p[0] < 'A' || name.p[0] > 'Z')
        return false;
    bool lower = false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        lower = lower || (c >= 'a' && c <= 'z');
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '_')
            return false;
    }
    if (!lower || (name.len <= 4 && !silt_str_equal(name, SILT_STR("Han")) && !silt_str_equal(name, SILT_STR("Lao")) &&
                   !silt_str_equal(name, SILT_STR("Mro")) && !silt_str_equal(name, SILT_STR("Nko")) &&
                   !silt_str_equal(name, SILT_STR("Thai")) && !silt_str_equal(name, SILT_STR("Cham")) &&
                   !silt_str_equal(name, SILT_STR("Lisu")) && !silt_str_equal(name, SILT_STR("Newa")) &&
                   !silt_str_equal(name, SILT_STR("Ahom")) && !silt_str_equal(name, SILT_STR("Miao"))  &&
                   !silt_str_equal(name, SILT_STR("Vai")) && !silt_str_equal(name, SILT_STR("Yi"))))
        return false;
    size_t len = (size_t)snprintf(pattern, sizeof pattern, "\\p{sc:%.*s}", SILT_FMT(name));
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern, len, PCRE2_UTF, &code, &offset, NULL);
    pcre2_code_free(compiled);
    return compiled != NULL;
}

enum silt_status silt_regex_check(struct silt_str pattern, struct silt_error *err)
{
    return regex_translate(pattern, NULL, err);
}

enum silt_status silt_regex_compile(struct silt_str pattern, struct silt_regex **out, struct silt_error *err)
{
    struct silt_buffer translated = {0};
    struct silt_regex *regex;
    enum silt_status rc;

    *out = NULL;
    pthread_once(&shared_once, make_shared);
    if ((rc = regex_translate(pattern, &translated, err)) != SILT_OK) {
        silt_buffer_free(&translated);
        return rc;
    }
    regex = silt_calloc(1, sizeof *regex);
    regex->pattern = (struct silt_str){silt_strdup(pattern), pattern.len};
    if (!split_texts(regex)) {
        free_texts(regex);
        rc = compile(regex, (struct silt_str){translated.len ? translated.p : "", translated.len}, err);
    }
    silt_buffer_free(&translated);
    if (rc != SILT_OK)
        silt_regex_free(regex);
    else
        *out = regex;
    return rc;
}

void silt_regex_free(struct silt_regex *regex)
{
    if (!regex)
        return;
    pcre2_code_free(regex->code);
    pcre2_code_free(regex->side_by_side);
    free_texts(regex);
    free((char *)regex->pattern.p);
    free(regex);
}

struct silt_str silt_regex_pattern(const struct silt_regex *regex)
{
    return regex->pattern;
}

/* Without a quantifier there is no way back to be taken; a repeated group may hold another one. */
uint32_t silt_regex_cost(const struct silt_regex *regex)
{
    if (!regex->side_by_side)
        return 1 + (uint32_t)(regex->code ? regex->pattern.len / 32 : 0);
    for (const char *p = regex->pattern.p; (p = strchr(p, ')')); p++)
        if (p[1] && strchr("*+?{", p[1]))
            return UINT32_MAX;
    return 8 + (uint32_t)(regex->pattern.len / 32);
}

/* ---------------------------------------------------------------- matching */

static bool match_texts(const struct silt_regex *regex, struct silt_str subject)
{
    return bsearch(&subject, regex->texts, regex->text_count, sizeof *regex->texts, compare_texts) != NULL;
}

/* Without backtracking: slower, never exponential. */
static bool match_side_by_side(const struct silt_regex *regex, struct silt_str subject)
{
    const pcre2_code *code = regex->side_by_side ? regex->side_by_side : regex->code;
    int rc = PCRE2_ERROR_DFA_WSSIZE;

    for (size_t ints = DFA_WORKSPACE_MIN; rc == PCRE2_ERROR_DFA_WSSIZE && ints <= DFA_WORKSPACE_MAX; ints *= 8) {
        int *workspace = silt_malloc(ints * sizeof *workspace);
        rc = pcre2_dfa_match(code, (PCRE2_SPTR)subject.p, subject.len, 0, PCRE2_NO_UTF_CHECK | PCRE2_DFA_SHORTEST,
                             thread_match_data(), side_by_side_context, workspace, ints);
        free(workspace);
    }
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
        silt_log(SILT_LOG_WARN, "Regular expression gave up", "code=%d subject_bytes=%zu", rc, subject.len);
    return rc >= 0;
}

static bool match_code(const struct silt_regex *regex, struct silt_str subject)
{
    PCRE2_SPTR p = (PCRE2_SPTR)(subject.len ? subject.p : "");
    int rc;

    if (regex->jit)
        rc = pcre2_jit_match(regex->code, p, subject.len, 0, 0, thread_match_data(), match_context);
    else
        rc = pcre2_match(regex->code, p, subject.len, 0, PCRE2_NO_UTF_CHECK, thread_match_data(), match_context);
    if (rc >= 0)
        return true;
    if (rc == PCRE2_ERROR_NOMATCH)
        return false;
    return match_side_by_side(regex, (struct silt_str){(const char *)p, subject.len});
}

/* How many bytes at p are one good UTF-8 character; 0 when the first is bad. */
static size_t character_bytes(const uint8_t *p, size_t len)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    size_t need = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    uint8_t low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (len < need || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return need;
}

static bool is_utf8(struct silt_str text)
{
    const uint8_t *p = (const uint8_t *)text.p;
    size_t i = 0;

    for (; i + 8 <= text.len; i += 8) { /* mostly ASCII */
        uint64_t eight;
        memcpy(&eight, p + i, 8);
        if (eight & 0x8080808080808080u)
            break;
    }
    while (i < text.len) {
        size_t bytes = character_bytes(p + i, text.len - i);
        if (bytes == 0)
            return false;
        i += bytes;
    }
    return true;
}

static bool match_repaired(const struct silt_regex *regex, struct silt_str subject)
{
    struct silt_buffer repaired = {0};

    for (size_t i = 0; i < subject.len;) {
        size_t bytes = character_bytes((const uint8_t *)subject.p + i, subject.len - i);
        if (bytes)
            silt_buffer_append(&repaired, subject.p + i, bytes);
        else
            silt_buffer_append(&repaired, "\xef\xbf\xbd", 3);
        i += bytes ? bytes : 1;
    }
    bool matched = match_code(regex, (struct silt_str){repaired.p, repaired.len});
    silt_buffer_free(&repaired);
    return matched;
}

bool silt_regex_match(const struct silt_regex *regex, struct silt_str subject)
{
    if (!regex->code)
        return match_texts(regex, subject);
    return is_utf8(subject) ? match_code(regex, subject) : match_repaired(regex, subject);
}
