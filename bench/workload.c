/*
 * workload.c - implements workload.h. Own generator after the shape of TSBS' data, with a fixed seed.
 */
#include "bench/workload.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const kind_names[WORKLOAD_KINDS] = {"cpu",      "devops", "decimals", "floats",
                                                       "counters", "jitter", "log",      "cardinality"};
static const char *const cpu_fields[10] = {"usage_user", "usage_system",  "usage_idle",  "usage_nice",  "usage_iowait",
                                           "usage_irq",  "usage_softirq", "usage_steal", "usage_guest", "usage_guest_nice"};
static const char *const devops[9] = {"cpu", "diskio", "disk", "kernel", "mem", "net", "nginx", "postgresl", "redis"};
static const char *const devops_fields[5] = {"used_percent", "reads", "writes", "io_time", "available"};
static const char *const regions[9] = {"us-east-1",      "us-west-1",      "us-west-2",      "eu-west-1", "eu-central-1",
                                       "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "sa-east-1"};
static const char *const paths[8] = {"/",           "/login", "/api/v1/items", "/api/v1/items/search", "/static/app.js",
                                     "/favicon.ico", "/health", "/api/v1/orders"};

static uint64_t next_random(struct workload *load)
{
    load->random ^= load->random << 13;
    load->random ^= load->random >> 7;
    load->random ^= load->random << 17;
    return load->random;
}

static double uniform(struct workload *load)
{
    return (double)(next_random(load) >> 11) / 9007199254740992.0;
}

static double normal(struct workload *load)
{
    double u = uniform(load) + 1e-12, v = uniform(load);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

bool workload_kind_parse(const char *name, enum workload_kind *out)
{
    for (int kind = 0; kind < WORKLOAD_KINDS; kind++)
        if (strcmp(name, kind_names[kind]) == 0) {
            *out = (enum workload_kind)kind;
            return true;
        }
    return false;
}

unsigned workload_fields(enum workload_kind kind)
{
    switch (kind) {
    case WORKLOAD_DEVOPS:
    case WORKLOAD_LOG:
        return 5;
    case WORKLOAD_JITTER:
    case WORKLOAD_CARDINALITY:
        return 1;
    default:
        return 10;
    }
}

static char *make_tags(struct workload *load, uint32_t host)
{
    struct silt_buffer text = {0};
    const char *region = regions[next_random(load) % 9];
    silt_buffer_printf(&text, ",hostname=host_%u,region=%s,datacenter=%s%c,rack=%u,os=%s,arch=%s,team=%s,service=%u,", host,
                       region, region, (char)('a' + next_random(load) % 3), (unsigned)(next_random(load) % 100),
                       next_random(load) & 1 ? "Ubuntu16.10" : "Ubuntu15.10", next_random(load) & 1 ? "x64" : "x86",
                       next_random(load) & 1 ? "SF" : "NYC", (unsigned)(next_random(load) % 20));
    silt_buffer_printf(&text, "service_version=%u,service_environment=%s", (unsigned)(next_random(load) & 1),
                       next_random(load) & 1 ? "production" : "test");
    silt_buffer_char(&text, '\0');
    return text.p;
}

void workload_init(struct workload *load, enum workload_kind kind, uint32_t hosts, uint32_t steps)
{
    *load = (struct workload){.kind = kind,
                              .hosts = hosts,
                              .steps = steps,
                              .start_ns = 1451606400000000000,
                              .step_ns = 10000000000,
                              .random = 88172645463325252u + (uint64_t)kind};
    load->tags = silt_calloc(hosts, sizeof(*load->tags));
    load->state = silt_calloc((size_t)hosts * WORKLOAD_FIELDS_MAX, sizeof(*load->state));
    for (uint32_t host = 0; host < hosts; host++) {
        load->tags[host] = make_tags(load, host);
        for (int field = 0; field < WORKLOAD_FIELDS_MAX; field++)
            load->state[(size_t)host * WORKLOAD_FIELDS_MAX + field] = floor(uniform(load) * 100);
    }
}

void workload_deinit(struct workload *load)
{
    for (uint32_t host = 0; host < load->hosts; host++)
        free(load->tags[host]);
    free(load->tags);
    free(load->state);
}

static double walk(struct workload *load, double *state)
{
    *state += normal(load);
    *state = *state < 0 ? 0 : *state > 100 ? 100 : *state;
    return *state;
}

static void put_int(struct silt_buffer *out, int64_t value)
{
    char text[SILT_NUMBER_TEXT_MAX];
    silt_buffer_append(out, text, silt_write_int(text, value));
}

static void put_fields(struct workload *load, double *state, struct silt_buffer *out)
{
    for (int field = 0; field < 10; field++) {
        if (field)
            silt_buffer_char(out, ',');
        silt_buffer_str(out, silt_str_from(cpu_fields[field]));
        silt_buffer_char(out, '=');
        switch (load->kind) {
        case WORKLOAD_DECIMALS:
            silt_buffer_printf(out, "%.2f", walk(load, state + field));
            break;
        case WORKLOAD_FLOATS:
            silt_buffer_printf(out, "%.17g", walk(load, state + field));
            break;
        case WORKLOAD_COUNTERS:
            state[field] += floor(uniform(load) * 10000);
            put_int(out, (int64_t)state[field]);
            silt_buffer_char(out, 'i');
            break;
        default:
            put_int(out, (int64_t)walk(load, state + field));
            silt_buffer_char(out, 'i');
        }
    }
}

static void put_devops(struct workload *load, double *state, struct silt_buffer *out)
{
    for (int field = 0; field < 5; field++) {
        silt_buffer_printf(out, "%s%s=", field ? "," : "", devops_fields[field]);
        if (field == 0) {
            silt_buffer_printf(out, "%.17g", walk(load, state));
        } else if (field < 4) {
            state[field] += floor(uniform(load) * 100);
            silt_buffer_printf(out, "%.0fi", state[field]);
        } else {
            silt_buffer_printf(out, "%.0fi", walk(load, state + field) * 1e7);
        }
    }
}

void workload_row(struct workload *load, uint32_t step, uint32_t host, struct silt_buffer *out)
{
    double *state = load->state + (size_t)host * WORKLOAD_FIELDS_MAX;
    int64_t time = load->start_ns + (int64_t)step * load->step_ns;
    const char *measurement = load->kind == WORKLOAD_DEVOPS   ? devops[(host + step) % 9]
                              : load->kind == WORKLOAD_JITTER ? "sensor"
                              : load->kind == WORKLOAD_LOG    ? "request"
                              : load->kind == WORKLOAD_CARDINALITY ? "load"
                                                                   : "cpu";
    silt_buffer_str(out, silt_str_from(measurement));
    silt_buffer_str(out, silt_str_from(load->tags[host]));
    silt_buffer_char(out, ' ');
    switch (load->kind) {
    case WORKLOAD_DEVOPS:
        put_devops(load, state, out);
        break;
    case WORKLOAD_JITTER:
        silt_buffer_printf(out, "temperature=%.1f", walk(load, state));
        time += (int64_t)(normal(load) * 3) * 1000000;
        break;
    case WORKLOAD_LOG:
        silt_buffer_printf(out, "status=%di,took=%di,path=\"%s\",user=\"user%u\",message=\"served in %u steps\"",
                           next_random(load) % 20 ? 200 : 404, (int)(uniform(load) * 1000), paths[next_random(load) % 8],
                           (unsigned)(next_random(load) % 500), (unsigned)(next_random(load) % 1000));
        break;
    case WORKLOAD_CARDINALITY:
        silt_buffer_printf(out, "value=%.2f", walk(load, state));
        break;
    default:
        put_fields(load, state, out);
    }
    if (load->out_of_order && next_random(load) % 10 == 0)
        time -= (int64_t)(next_random(load) % 100) * load->step_ns + 1000000000;
    silt_buffer_char(out, ' ');
    put_int(out, time);
    silt_buffer_char(out, '\n');
}
