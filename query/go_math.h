/*
 * go_math.h - the elementary functions of InfluxQL, to the last digit of those that InfluxDB runs on.
 *
 * InfluxDB is written in Go, whose library does not round these functions correctly, nor does libm, and the two differ
 * in the last digit of every few answers. Here the methods are those of Go 1.19 on amd64: Cephes for the circular
 * functions, FreeBSD's for the logarithm, a Taylor series with repeated squaring and fused multiplication for exp,
 * squarings of the fraction for pow. Only additions, multiplications, divisions and square roots are used, in a fixed
 * order, so that every machine gives the same bits.
 */
#ifndef QUERY_GO_MATH_H
#define QUERY_GO_MATH_H

double go_sin(double x);
double go_cos(double x);
double go_tan(double x);
double go_asin(double x);
double go_acos(double x);
double go_atan(double x);
double go_atan2(double y, double x);
double go_exp(double x);
double go_log(double x);
double go_log2(double x);
double go_log10(double x);
double go_pow(double x, double y);

#endif
