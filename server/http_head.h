/*
 * http_head.h - what the library lets through of a request's head and should not, for others may read it otherwise.
 *
 * A proxy before this server that takes another of two lengths than the server does would hand on one client's body as
 * another client's request. So, as InfluxDB does, but for the last:
 *
 *     Content-Length twice, not the same       400          no Host in HTTP/1.1, two, or none that can be one    400
 *     Transfer-Encoding twice                  400          both: the chunks count, and the connection ends behind the answer
 */
#ifndef SERVER_HTTP_HEAD_H
#define SERVER_HTTP_HEAD_H

#include "server/http.h"

/* Whether the request may be answered; else it has been. The head is read where it came in, for the library takes these headers away. */
bool http_head_check(h2o_req_t *req);
/* "GET http://host/ping", as proxies are asked, becomes "GET /ping". False: it is none of these. */
bool http_head_to_origin_form(h2o_req_t *req);

#endif
