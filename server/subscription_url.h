/*
 * subscription_url.h - which destinations a subscription may have: what InfluxDB 1.x, that is Go's net/url, takes.
 *
 *     udp|http|https "://" [user[:password] "@"] host ":" port [path] ["?" query] ["#" fragment]
 */
#ifndef SERVER_SUBSCRIPTION_URL_H
#define SERVER_SUBSCRIPTION_URL_H

#include "silt/base.h"

bool subscription_url_is_valid(struct silt_str url);

#endif
