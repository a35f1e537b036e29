/*
 * listen.c - see listen.h.
 */
#include "server/listen.h"
#include "server/config.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---------------------------------------------------------------- TCP */

enum silt_status listen_tcp(const char *address, uint16_t port_wanted, int *out, uint16_t *port, struct silt_error *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    char host[256], service[8];
    uint16_t ignored;
    int on = 1, off = 0, fd = -1, failure = 0;
    enum silt_status rc = config_split_address(address, host, sizeof(host), &ignored, err);

    if (rc != SILT_OK)
        return rc;
    snprintf(service, sizeof(service), "%u", port_wanted);
    int code = getaddrinfo(*host ? host : NULL, service, &hints, &found);
    if (code)
        return silt_fail(err, SILT_INVALID, "http.bind-address: %s: %s", address, gai_strerror(code));
    /* Of every address, IPv6 takes IPv4 along. */
    for (int family_turn = 0; family_turn < 2 && fd < 0; family_turn++)
        for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
            if (!*host && (a->ai_family == AF_INET6) != (family_turn == 0))
                continue;
            fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            if (fd < 0) {
                failure = errno;
                continue;
            }
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
            setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
            if (a->ai_family == AF_INET6)
                setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, *host ? &on : &off, sizeof(on));
            if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, 1024) != 0) {
                failure = errno;
                close(fd);
                fd = -1;
            }
        }
    freeaddrinfo(found);
    if (fd < 0)
        return silt_fail_errno(err, failure, "cannot listen on %s", address);
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);
    getsockname(fd, (struct sockaddr *)&bound, &len);
    *port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                              : ((struct sockaddr_in *)&bound)->sin_port);
    *out = fd;
    return SILT_OK;
}

enum silt_status listen_check_port(const char *address, struct silt_error *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    char host[256], service[8];
    uint16_t port;
    int on = 1;
    enum silt_status rc = config_split_address(address, host, sizeof(host), &port, err);

    snprintf(service, sizeof(service), "%u", port);
    if (rc != SILT_OK || port == 0 || getaddrinfo(*host ? host : NULL, service, &hints, &found) != 0)
        return rc; /* listen_tcp says why */
    for (struct addrinfo *a = found; a && rc == SILT_OK; a = a->ai_next) {
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (a->ai_family == AF_INET6)
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 && errno == EADDRINUSE)
            rc = silt_fail_errno(err, EADDRINUSE, "cannot listen on %s", address);
        close(fd);
    }
    freeaddrinfo(found);
    return rc;
}

bool listen_is_loopback(int fd)
{
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof(bound);

    if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0)
        return false;
    if (bound.ss_family == AF_INET)
        return ntohl(((struct sockaddr_in *)&bound)->sin_addr.s_addr) >> 24 == 127;
    return bound.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&bound)->sin6_addr);
}

/* ---------------------------------------------------------------- Unix */

static enum silt_status read_permissions(const char *text, mode_t *mode, struct silt_error *err)
{
    char *end;
    unsigned long value = strtoul(text, &end, 8);

    if (*text < '0' || *text > '7' || *end || value > 0777)
        return silt_fail(err, SILT_INVALID, "http.unix-socket-permissions: \"%s\" is not a number like 0660", text);
    *mode = (mode_t)value;
    return SILT_OK;
}

static enum silt_status find_group(const char *name, gid_t *gid, struct silt_error *err)
{
    char room[16384];
    struct group group, *found = NULL;

    *gid = (gid_t)-1; /* stays as it is */
    if (!*name)
        return SILT_OK;
    int failure = getgrnam_r(name, &group, room, sizeof(room), &found);
    if (failure)
        return silt_fail_errno(err, failure, "http.unix-socket-group: %s", name);
    if (!found)
        return silt_fail(err, SILT_INVALID, "http.unix-socket-group: there is no group \"%s\"", name);
    *gid = found->gr_gid;
    return SILT_OK;
}

/* Does somebody answer there? */
static bool is_alive(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool alive = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;

    if (fd >= 0)
        close(fd);
    return alive;
}

enum silt_status listen_unix(const struct silt_server_options *options, int *out, struct silt_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = options->unix_socket_path;
    struct stat found;
    enum silt_status rc;
    mode_t mode = 0;
    gid_t gid = (gid_t)-1;

    if ((rc = read_permissions(options->unix_socket_permissions, &mode, err)) != SILT_OK ||
        (rc = find_group(options->unix_socket_group, &gid, err)) != SILT_OK)
        return rc;
    if (strlen(path) >= sizeof(address.sun_path))
        return silt_fail(err, SILT_INVALID, "http.bind-socket: a path may have %zu bytes at most: %s",
                         sizeof(address.sun_path) - 1, path);
    memcpy(address.sun_path, path, strlen(path));
    if (lstat(path, &found) == 0) {
        if (!S_ISSOCK(found.st_mode))
            return silt_fail(err, SILT_CONFLICT, "http.bind-socket: %s is there and no socket", path);
        if (is_alive(&address))
            return silt_fail(err, SILT_CONFLICT, "http.bind-socket: another server listens on %s", path);
        if (unlink(path) != 0)
            return silt_fail_errno(err, errno, "http.bind-socket: %s", path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Until it listens nobody can connect: so permissions come before that. */
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        rc = silt_fail_errno(err, errno, "http.bind-socket: %s", path);
    } else if ((gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) != 0) || chmod(path, mode) != 0 || listen(fd, 1024) != 0) {
        rc = silt_fail_errno(err, errno, "http.bind-socket: %s", path);
        unlink(path);
    }
    if (rc != SILT_OK && fd >= 0)
        close(fd);
    if (rc == SILT_OK)
        *out = fd;
    return rc;
}

void listen_unix_remove(const struct silt_server_options *options)
{
    if (unlink(options->unix_socket_path) != 0 && errno != ENOENT)
        silt_log(SILT_LOG_WARN, "cannot remove the socket", "path=\"%s\" errno=%d", options->unix_socket_path, errno);
}
