/*
 * regex_syntax.c - reads a pattern by the grammar of RE2 as Go has it, with Go's error texts, and writes it again
 * for PCRE2.
 *
 * PCRE2 understands all that RE2 does and much that RE2 refuses, and gives some of it another meaning. So nothing is
 * passed on as it stands: what is understood is spelled anew, in a form that means one thing only:
 *
 *     ^ $ outside (?m)      \A \z                     groups of any kind      (...)
 *     . outside (?s)        \N                        \s \S                   spelled out, PCRE2 counts VT as space
 *     literals              escaped if need be        \pL \p{Greek}           \p{L} \p{sc:Greek}
 *     surrogates            nothing, they never match
 *
 * Groups do not capture: NO_AUTO_CAPTURE says so, for (?:...) has a lower bound on nesting.
 * A repetition goes behind the last atom, which is put in (...) first when it is an assertion or repeated already.
 */
#include "base/regex_syntax.h"

#include <stdio.h>

#define DEPTH_MAX 1000  /* of groups and repetitions */
#define REPEAT_MAX 1000 /* of nested counts, multiplied */

#define CHARACTER_MAX 0x10ffffu

struct syntax {
    const char *start, *p, *end;
    struct silt_buffer *out; /* NULL: only check */
    struct silt_error *err;
    bool fold, many_lines, dot_all, ungreedy; /* (?imsU) in force */
    unsigned depth;
    enum silt_status rc;
};

struct atom { /* what a repetition would apply to */
    bool present;
    bool plain;        /* a repetition may follow it as it is */
    size_t start, end; /* in out */
    uint32_t height;   /* of its tree, as Go counts it */
    uint32_t repeats;  /* largest product of nested counts */
};

/* ---------------------------------------------------------------- errors and output */

static bool fail(struct syntax *s, const char *what, const char *from, const char *to)
{
    s->rc = silt_fail(s->err, SILT_INVALID, "error parsing regexp: %s: `%.*s`", what, (int)(to - from), from);
    return false;
}

static size_t out_len(const struct syntax *s)
{
    return s->out ? s->out->len : 0;
}

static void emit(struct syntax *s, const char *text)
{
    if (s->out)
        silt_buffer_append(s->out, text, strlen(text));
}

static bool is_alnum(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* One character, good inside and outside of a class. */
static void emit_character(struct syntax *s, uint32_t c)
{
    if (!s->out)
        return;
    if (is_alnum(c))
        silt_buffer_char(s->out, (char)c);
    else
        silt_buffer_printf(s->out, "\\x{%x}", c);
}

static const char nothing[] = "[^\\x{0}-\\x{10ffff}]";

static bool is_surrogate(uint32_t c)
{
    return c >= 0xd800 && c <= 0xdfff;
}

/* ---------------------------------------------------------------- characters */

/* The UTF-8 character at p, its length in *len; false when there is none. */
static bool decode(const char *p, const char *end, uint32_t *c, size_t *len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t *u = (const uint8_t *)p;
    size_t need = u[0] < 0x80 ? 1 : u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : u[0] < 0xf5 ? 4 : 0;

    if (need == 0 || (size_t)(end - p) < need)
        return false;
    *len = need;
    *c = need == 1 ? u[0] : u[0] & (0xffu >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return false;
        *c = *c << 6 | (u[i] & 0x3f);
    }
    return *c >= least[need] && *c <= CHARACTER_MAX && !is_surrogate(*c);
}

static bool check_utf8(struct syntax *s)
{
    for (const char *p = s->start; p < s->end;) {
        uint32_t c;
        size_t len;
        if (!decode(p, s->end, &c, &len))
            return fail(s, "invalid UTF-8", s->start, s->end);
        p += len;
    }
    return true;
}

/* The next character, of a pattern known to be UTF-8. */
static uint32_t next(struct syntax *s)
{
    uint32_t c = 0;
    size_t len = 1;
    (void)decode(s->p, s->end, &c, &len);
    s->p += len;
    return c;
}

static bool at(const struct syntax *s, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(s->end - s->p) >= len && memcmp(s->p, text, len) == 0;
}

static int hex_value(uint32_t c)
{
    return c >= '0' && c <= '9' ? (int)(c - '0') : (c | 32) >= 'a' && (c | 32) <= 'f' ? (int)((c | 32) - 'a') + 10 : -1;
}

/* ---------------------------------------------------------------- escapes */

/* Behind \x. */
static bool read_hex(struct syntax *s, uint32_t *out)
{
    if (s->p == s->end)
        return false;
    uint32_t c = next(s);
    if (c != '{') {
        int high = hex_value(c);
        if (s->p == s->end)
            return false;
        int low = hex_value(next(s));
        if (high < 0 || low < 0)
            return false;
        *out = (uint32_t)(high * 16 + low);
        return true;
    }
    *out = 0;
    for (int digits = 0;; digits++) {
        if (s->p == s->end)
            return false;
        c = next(s);
        if (c == '}')
            return digits > 0;
        int value = hex_value(c);
        if (value < 0)
            return false;
        *out = *out * 16 + (uint32_t)value;
        if (*out > CHARACTER_MAX)
            return false;
    }
}

/* At a backslash: an escape that stands for one character. */
static bool read_escape(struct syntax *s, uint32_t *out)
{
    static const char letters[] = "afnrtv", values[] = "\a\f\n\r\t\v";
    const char *start = s->p++;

    if (s->p == s->end)
        return fail(s, "trailing backslash at end of expression", s->p, s->p);
    uint32_t c = next(s);
    if (c < 0x80 && !is_alnum(c)) {
        *out = c;
        return true;
    }
    if (c >= '0' && c <= '7' && (c == '0' || (s->p < s->end && *s->p >= '0' && *s->p <= '7'))) {
        *out = c - '0';
        for (int i = 1; i < 3 && s->p < s->end && *s->p >= '0' && *s->p <= '7'; i++)
            *out = *out * 8 + (uint32_t)(*s->p++ - '0');
        return true;
    }
    if (c == 'x' && read_hex(s, out))
        return true;
    const char *found = c < 0x80 ? strchr(letters, (int)c) : NULL;
    if (found) {
        *out = (uint32_t)values[found - letters];
        return true;
    }
    return fail(s, "invalid escape sequence", start, s->p);
}

/* ---------------------------------------------------------------- classes */

static bool is_category(struct silt_str name)
{
    static const char all[] = " C Cc Cf Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs ";
    char wanted[8];

    if (name.len == 0 || name.len > 2)
        return false;
    snprintf(wanted, sizeof wanted, " %.*s ", SILT_FMT(name));
    return strstr(all, wanted) != NULL;
}

/* At \p or \P. */
static bool read_property(struct syntax *s)
{
    const char *start = s->p;
    bool negated = s->p[1] == 'P';
    struct silt_str name;

    s->p += 2;
    if (s->p < s->end && *s->p == '{') {
        const char *close = memchr(s->p, '}', (size_t)(s->end - s->p));
        if (!close)
            return fail(s, "invalid character class range", start, s->end);
        name = (struct silt_str){s->p + 1, (size_t)(close - s->p) - 1};
        s->p = close + 1;
    } else {
        const char *letter = s->p;
        if (s->p < s->end)
            (void)next(s);
        name = (struct silt_str){letter, (size_t)(s->p - letter)};
    }
    if (name.len && name.p[0] == '^') {
        negated = !negated;
        name = (struct silt_str){name.p + 1, name.len - 1};
    }
    bool any = silt_str_equal(name, SILT_STR("Any"));
    bool category = is_category(name);
    if (!any && !category && !regex_knows_script(name))
        return fail(s, "invalid character class range", start, s->p);
    if (s->out)
        silt_buffer_printf(s->out, "\\%c{%s%.*s}", negated ? 'P' : 'p', any || category ? "" : "sc:", SILT_FMT(name));
    return true;
}

static bool is_property(const struct syntax *s)
{
    return at(s, "\\p") || at(s, "\\P");
}

/* At \d \D \s \S \w \W: true when it was one. */
static bool take_perl_class(struct syntax *s, bool inside)
{
    static const struct {
        char letter;
        const char *members, *negated; /* what stands in a class */
    } classes[] = {
        {'d', "0-9", "\\D"},
        {'s', "\\x{9}\\x{a}\\x{c}\\x{d}\\x{20}", "\\S\\x{b}"},
        {'w', "0-9A-Za-z_", "\\W"},
    };

    if (s->end - s->p < 2 || s->p[0] != '\\')
        return false;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        bool negated = s->p[1] == classes[i].letter - 32;
        if (s->p[1] != classes[i].letter && !negated)
            continue;
        s->p += 2;
        if (!inside) {
            emit(s, negated ? "[^" : "[");
            emit(s, classes[i].members);
            emit(s, "]");
        } else {
            emit(s, negated ? classes[i].negated : classes[i].members);
        }
        return true;
    }
    return false;
}

/* At [: - true when it was a named class; s->rc tells of an error. */
static bool take_named_class(struct syntax *s)
{
    static const char all[] = " alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit ";
    const char *start = s->p, *close = NULL;
    char wanted[16];

    for (const char *p = start + 2; p + 1 < s->end && !close; p++)
        if (p[0] == ':' && p[1] == ']')
            close = p;
    if (!close)
        return false;
    const char *name = start + 2 + (start + 2 < close && start[2] == '^');
    s->p = close + 2;
    if (close - name > 8 || close == name || memchr(name, ' ', (size_t)(close - name)))
        return fail(s, "invalid character class range", start, s->p);
    snprintf(wanted, sizeof wanted, " %.*s ", (int)(close - name), name);
    if (!strstr(all, wanted))
        return fail(s, "invalid character class range", start, s->p);
    if (s->out)
        silt_buffer_append(s->out, start, (size_t)(s->p - start));
    return true;
}

static bool read_class_character(struct syntax *s, const char *class_start, uint32_t *out)
{
    if (s->p == s->end)
        return fail(s, "missing closing ]", class_start, s->end);
    if (*s->p == '\\')
        return read_escape(s, out);
    *out = next(s);
    return true;
}

/* Without surrogates, which PCRE2 does not take; true when something is left. */
static bool emit_range(struct syntax *s, uint32_t low, uint32_t high)
{
    if (is_surrogate(low))
        low = 0xe000;
    if (is_surrogate(high))
        high = 0xd7ff;
    if (low > high)
        return false;
    emit_character(s, low);
    if (high > low) {
        emit(s, "-");
        emit_character(s, high);
    }
    return true;
}

/* At [. */
static bool read_class(struct syntax *s)
{
    const char *start = s->p++;
    size_t out_start = out_len(s);
    bool any = false, negated = s->p < s->end && *s->p == '^';

    emit(s, negated ? "[^" : "[");
    s->p += negated;
    for (bool first = true; first || s->p == s->end || *s->p != ']'; first = false) {
        uint32_t low, high;
        if (s->end - s->p > 2 && at(s, "[:")) {
            if (take_named_class(s)) {
                any = true;
                continue;
            }
            if (s->rc != SILT_OK)
                return false;
        }
        if (is_property(s)) {
            if (!read_property(s))
                return false;
            any = true;
            continue;
        }
        if (take_perl_class(s, true)) {
            any = true;
            continue;
        }
        const char *range = s->p;
        if (!read_class_character(s, start, &low))
            return false;
        high = low;
        if (s->end - s->p >= 2 && *s->p == '-' && s->p[1] != ']') {
            s->p++;
            if (!read_class_character(s, start, &high))
                return false;
            if (high < low)
                return fail(s, "invalid character class range", range, s->p);
        }
        any = emit_range(s, low, high) || any;
    }
    s->p++;
    if (any) {
        emit(s, "]");
    } else if (s->out) { /* surrogates only */
        s->out->len = out_start;
        emit(s, negated ? "." : nothing);
    }
    return true;
}

/* ---------------------------------------------------------------- repetitions */

/* A count of at most eight digits without leading zeros; more digits make it -1. False: no number here. */
static bool read_count(struct syntax *s, int32_t *out)
{
    const char *start = s->p;

    if (s->p == s->end || *s->p < '0' || *s->p > '9')
        return false;
    if (s->end - s->p >= 2 && *s->p == '0' && s->p[1] >= '0' && s->p[1] <= '9')
        return false;
    for (*out = 0; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++)
        *out = *out < 0 || s->p - start >= 8 ? -1 : *out * 10 + (*s->p - '0');
    return true;
}

/* {n} {n,} {n,m}: consumes it when it is one; max -1: no end. */
static bool take_counts(struct syntax *s, int32_t *min, int32_t *max)
{
    const char *start = s->p++;
    bool ok = read_count(s, min);

    *max = ok ? *min : 0;
    if (ok && s->p < s->end && *s->p == ',') {
        s->p++;
        if (s->p < s->end && *s->p == '}')
            *max = -1;
        else if ((ok = read_count(s, max)) && *max < 0)
            *min = -1; /* too large, which is told by the caller */
    }
    ok = ok && s->p < s->end && *s->p == '}';
    s->p = ok ? s->p + 1 : start;
    return ok;
}

static void emit_fold(struct syntax *s)
{
    emit(s, s->fold ? "(?i)" : "(?-i)");
}

/* Put ( ) around the atom and all that was written behind it. */
static void wrap(struct syntax *s, const struct atom *atom)
{
    silt_buffer_reserve(s->out, 2);
    memmove(s->out->p + atom->start + 1, s->out->p + atom->start, s->out->len - atom->start);
    s->out->p[atom->start] = '(';
    s->out->len++;
    emit(s, ")");
}

/* Behind the operator that began at `op` and behind `previous`, the repetition right before it if there is one. */
static bool repeat(struct syntax *s, struct atom *atom, const char *op, const char *previous, int32_t min, int32_t max,
                   bool counted)
{
    bool lazy = s->p < s->end && *s->p == '?';
    const char *op_end;

    s->p += lazy;
    op_end = s->p;
    if (previous)
        return fail(s, "invalid nested repetition operator", previous, op_end);
    if (!atom->present)
        return fail(s, "missing argument to repetition operator", op, op_end);
    if (counted) {
        uint32_t times = max == 0 ? 0 : (uint32_t)(max < 0 ? min : max);
        if (times == 0)
            atom->repeats = max == 0 ? 1 : atom->repeats;
        else if (atom->repeats > REPEAT_MAX / times)
            return fail(s, "invalid repeat count", op, op_end);
        else
            atom->repeats *= times;
    }
    if (++atom->height > DEPTH_MAX)
        return fail(s, "expression nests too deeply", s->start, s->end);
    if (s->out) {
        bool switched = s->out->len > atom->end; /* by (?i), which a group ends */
        if (switched || !atom->plain)
            wrap(s, atom);
        if (!counted)
            silt_buffer_char(s->out, max == 1 ? '?' : min == 1 ? '+' : '*');
        else if (max == min)
            silt_buffer_printf(s->out, "{%d}", min);
        else if (max < 0)
            silt_buffer_printf(s->out, "{%d,}", min);
        else
            silt_buffer_printf(s->out, "{%d,%d}", min, max);
        if (lazy != s->ungreedy)
            silt_buffer_char(s->out, '?');
        atom->end = s->out->len;
        atom->plain = false;
        if (switched)
            emit_fold(s);
    }
    return true;
}

/* ---------------------------------------------------------------- groups */

static bool valid_group_name(const char *p, const char *end)
{
    for (const char *at_name = p; at_name < end; at_name++)
        if (*at_name != '_' && !is_alnum((uint8_t)*at_name))
            return false;
    return p < end;
}

enum opened { OPENED_GROUP, OPENED_FLAGS, OPENED_FAILED };

/* At (?: a group with or without a name, or flags alone. */
static enum opened read_perl_group(struct syntax *s)
{
    const char *start = s->p;
    bool fold = s->fold, many_lines = s->many_lines, dot_all = s->dot_all, ungreedy = s->ungreedy;
    bool on = true, saw_flag = false;

    if (s->end - s->p > 4 && at(s, "(?P<")) {
        const char *close = memchr(s->p, '>', (size_t)(s->end - s->p));
        if (!close) {
            (void)fail(s, "invalid named capture", start, s->end);
            return OPENED_FAILED;
        }
        if (!valid_group_name(start + 4, close)) {
            (void)fail(s, "invalid named capture", start, close + 1);
            return OPENED_FAILED;
        }
        s->p = close + 1;
        emit(s, "(");
        return OPENED_GROUP;
    }
    s->p += 2;
    while (s->p < s->end) {
        uint32_t c = next(s);
        if (c == 'i') {
            fold = on;
        } else if (c == 'm') {
            many_lines = on;
        } else if (c == 's') {
            dot_all = on;
        } else if (c == 'U') {
            ungreedy = on;
        } else if (c == '-' && on) {
            on = saw_flag = false;
            continue;
        } else if ((c == ':' || c == ')') && (on || saw_flag)) {
            if (c == ':')
                emit(s, fold == s->fold ? "(" : fold ? "(?i:" : "(?-i:");
            else if (fold != s->fold)
                emit(s, fold ? "(?i)" : "(?-i)");
            s->fold = fold;
            s->many_lines = many_lines;
            s->dot_all = dot_all;
            s->ungreedy = ungreedy;
            return c == ':' ? OPENED_GROUP : OPENED_FLAGS;
        } else {
            break;
        }
        saw_flag = true;
    }
    (void)fail(s, "invalid or unsupported Perl syntax", start, s->p);
    return OPENED_FAILED;
}

static bool read_alternatives(struct syntax *s, struct atom *whole);

/* Behind ( or its longer forms. `outer` holds the flags to come back to. */
static bool read_group_rest(struct syntax *s, const struct syntax *outer, struct atom *atom)
{
    struct atom inner;

    if (++s->depth > DEPTH_MAX)
        return fail(s, "expression nests too deeply", s->start, s->end);
    if (!read_alternatives(s, &inner))
        return false;
    if (s->p == s->end)
        return fail(s, "missing closing )", s->start, s->end);
    s->p++;
    s->depth--;
    emit(s, ")");
    s->fold = outer->fold;
    s->many_lines = outer->many_lines;
    s->dot_all = outer->dot_all;
    s->ungreedy = outer->ungreedy;
    atom->height = inner.height + 1;
    atom->repeats = inner.repeats;
    if (atom->height > DEPTH_MAX)
        return fail(s, "expression nests too deeply", s->start, s->end);
    return true;
}

/* ---------------------------------------------------------------- the pattern */

static bool literal(struct syntax *s, struct atom *atom, uint32_t c)
{
    *atom = (struct atom){.present = true, .plain = true, .start = out_len(s), .height = 1, .repeats = 1};
    if (is_surrogate(c))
        emit(s, nothing);
    else
        emit_character(s, c);
    atom->end = out_len(s);
    return true;
}

/* At a backslash. */
static bool read_backslash(struct syntax *s, struct atom *atom)
{
    uint32_t c;

    if (s->end - s->p >= 2) {
        const char *same = NULL;
        switch (s->p[1]) {
        case 'A':
            same = "\\A";
            break;
        case 'b':
            same = "\\b";
            break;
        case 'B':
            same = "\\B";
            break;
        case 'z':
            same = "\\z";
            break;
        case 'C':
            return fail(s, "invalid escape sequence", s->p, s->p + 2);
        case 'Q':
            for (s->p += 2; s->p < s->end && !at(s, "\\E");)
                (void)literal(s, atom, next(s));
            s->p += s->p < s->end ? 2 : 0;
            return true;
        }
        if (same) {
            emit(s, same);
            s->p += 2;
            return true;
        }
    }
    if (is_property(s))
        return read_property(s);
    if (take_perl_class(s, false))
        return true;
    return read_escape(s, &c) && literal(s, atom, c);
}

/* One atom, not a repetition. */
static bool read_atom(struct syntax *s, struct atom *atom)
{
    struct atom found = {.present = true, .plain = true, .start = out_len(s), .height = 1, .repeats = 1};
    struct syntax outer = *s;
    bool ok = true;

    switch (*s->p) {
    case '(':
        if (at(s, "(?")) {
            enum opened opened = read_perl_group(s);
            if (opened == OPENED_FLAGS)
                return true; /* the atom before stays the one */
            ok = opened == OPENED_GROUP && read_group_rest(s, &outer, &found);
        } else {
            s->p++;
            emit(s, "(");
            ok = read_group_rest(s, &outer, &found);
        }
        break;
    case '[':
        ok = read_class(s);
        break;
    case '^':
        s->p++;
        emit(s, s->many_lines ? "(?m:^)" : "\\A");
        found.plain = false;
        break;
    case '$':
        s->p++;
        emit(s, s->many_lines ? "(?m:$)" : "\\z");
        found.plain = false;
        break;
    case '.':
        s->p++;
        emit(s, s->dot_all ? "." : "\\N");
        break;
    case '\\': {
        struct atom last = *atom;
        const char *before = s->p;
        atom->present = false;
        if (!read_backslash(s, atom))
            return false;
        if (atom->present) /* it was a literal */
            return true;
        if (s->p - before >= 2 && before[1] == 'Q') { /* an empty one: as if it were not there */
            *atom = last;
            return true;
        }
        found.plain = false; /* it may be an assertion */
        break;
    }
    default:
        return literal(s, atom, next(s));
    }
    if (!ok)
        return false;
    found.end = out_len(s);
    *atom = found;
    return true;
}

/* Up to a closing parenthesis or the end. */
static bool read_alternatives(struct syntax *s, struct atom *whole)
{
    struct atom atom = {0};
    const char *previous = NULL; /* the repetition that ends here */

    *whole = (struct atom){.height = 1, .repeats = 1};
    while (s->p < s->end && *s->p != ')') {
        const char *op = s->p;
        int32_t min = 0, max = -1;
        bool repeated = true, counted = false;
        switch (*s->p) {
        case '|':
            s->p++;
            emit(s, "|");
            atom.present = false;
            repeated = false;
            break;
        case '*':
            s->p++;
            break;
        case '+':
            s->p++;
            min = 1;
            break;
        case '?':
            s->p++;
            max = 1;
            break;
        case '{':
            counted = repeated = take_counts(s, &min, &max);
            if (!repeated) {
                (void)literal(s, &atom, next(s));
            } else if (min < 0 || min > REPEAT_MAX || max > REPEAT_MAX || (max >= 0 && min > max)) {
                return fail(s, "invalid repeat count", op, s->p);
            }
            break;
        default:
            repeated = false;
            if (!read_atom(s, &atom))
                return false;
        }
        if (repeated && !repeat(s, &atom, op, previous, min, max, counted))
            return false;
        previous = repeated ? op : NULL;
        if (atom.present && atom.height > whole->height)
            whole->height = atom.height;
        if (atom.present && atom.repeats > whole->repeats)
            whole->repeats = atom.repeats;
    }
    return true;
}

enum silt_status regex_translate(struct silt_str pattern, struct silt_buffer *out, struct silt_error *err)
{
    struct syntax s = {.start = pattern.len ? pattern.p : "", .out = out, .err = err};
    struct atom whole;

    s.p = s.start;
    s.end = s.start + pattern.len;
    if (check_utf8(&s) && read_alternatives(&s, &whole) && s.p < s.end)
        (void)fail(&s, "unexpected )", s.start, s.end);
    return s.rc;
}
