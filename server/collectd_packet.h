/*
 * collectd_packet.h - collectd's binary protocol: a packet to lists of values.
 *
 *     part     type 2 | length 2, these four included | payload                        big endian
 *
 *     0x000 host, 0x002 plugin, 0x003 plugin instance, 0x004 type, 0x005 type instance    text, ended by a NUL
 *     0x001 time, 0x007 interval                        8: seconds
 *     0x008 time, 0x009 interval, of high resolution    8: 2^-30 seconds
 *     0x006 values       count 2 | kind 1 each | value 8 each: gauges are little endian doubles, the others integers
 *     0x200 signature    HMAC-SHA256 32 | user          of the user and of all parts behind it
 *     0x210 encrypted    length of user 2 | user | iv 16 | AES-256-OFB( SHA-1 20 | parts )
 *     others             passed over
 *
 * Texts and times hold until the next of their kind; each part of values makes a list. In an encrypted part and
 * behind a signature nothing from before holds. As in InfluxDB, a packet with anything at fault is refused as a whole, and lists whose type
 * is unknown or has another number of values are passed over. Encrypted parts within encrypted ones are refused:
 * nobody sends them.
 */
#ifndef SERVER_COLLECTD_PACKET_H
#define SERVER_COLLECTD_PACKET_H

#include "server/collectd_types.h"
#include "server/collectd_users.h"
#include "silt/server.h"

struct collectd_list {
    struct silt_str host, plugin, plugin_instance, type_name, type_instance; /* borrowed from the packet or the arena */
    silt_time time;
    bool has_time; /* one that can be stored */
    const struct collectd_type *type;
    const double *values; /* one for each source of the type */
};

struct collectd_reader {
    const struct collectd_types *types;
    struct collectd_users *users;
    enum silt_collectd_security security; /* lists from parts that are protected less are passed over */
};

struct collectd_lists {
    struct collectd_list *items;
    size_t count, capacity;
    const char *skipped; /* NULL, or why one was passed over that should not have been */
};

/* All in the arena or borrowed from the packet. SILT_INVALID: refused. */
enum silt_status collectd_read_packet(const struct collectd_reader *reader, struct silt_str packet,
                                      struct silt_arena *arena, struct collectd_lists *lists, struct silt_error *err);

#endif
