/* One decoding step of a Llama block for a few rows, with what `packed_layers.py` says about layouts.

   Weights are int8, rounded per output; a product's inputs are rounded per row, to 16 bits or as many as keep its sums
   exact; all else is float. PyTorch needs some thirty kernels for this. Compiled by `native.py`, runs on one thread. */

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { TOGETHER = 4 }; /* rows whose sums fit the registers */

typedef struct {
    int width, heads, kv_heads, head_dim, middle;
    float floor, head_floor; /* of the norms' lengths; head_floor < 0: queries and keys have no norm */
    const int8_t *qkv, *out, *gate_up, *down;
    const float *qkv_scale, *out_scale, *gate_up_scale, *down_scale;
} Block;

/* x [inputs] -> integers; returns what to multiply them by. They are as large as sums in 32 bits allow. */
static float rounded(const float *x, int16_t *whole, int inputs) {
    float largest = 1e-30f, limit = INT32_MAX / (127 * (int64_t)inputs);
    if (limit > INT16_MAX) limit = INT16_MAX;
    for (int i = 0; i < inputs; i++) {
        float size = fabsf(x[i]);
        largest = size > largest ? size : largest;
    }
    for (int i = 0; i < inputs; i++) whole[i] = (int16_t)rintf(x[i] * (limit / largest));
    return largest / limit;
}

/* `rows` is a constant where this is called, so that all sums stay in registers. */
static inline __attribute__((always_inline)) void multiply(int rows, const int16_t *x, const float *x_scale,
                                                           const int8_t *weight, const float *scale, float *y,
                                                           int inputs, int outputs) {
    for (int o = 0; o < outputs; o++, weight += inputs) {
        int32_t sums[TOGETHER] = {0};
        for (int i = 0; i < inputs; i++)
            for (int r = 0; r < rows; r++) sums[r] += weight[i] * x[r * inputs + i];
        for (int r = 0; r < rows; r++) y[r * outputs + o] = sums[r] * (scale[o] * x_scale[r]);
    }
}

/* y [rows, outputs] = x [rows, inputs] times weight [outputs, inputs] transposed, four rows at a time. */
void product(int rows, const float *x, const int8_t *weight, const float *scale, float *y, int inputs, int outputs) {
    int16_t whole[TOGETHER * inputs];
    float back[TOGETHER];
    for (; rows > 0; rows -= TOGETHER, x += TOGETHER * inputs, y += TOGETHER * outputs) {
        for (int r = 0; r < rows && r < TOGETHER; r++) back[r] = rounded(x + r * inputs, whole + r * inputs, inputs);
        if (rows == 1) multiply(1, whole, back, weight, scale, y, inputs, outputs);
        if (rows == 2) multiply(2, whole, back, weight, scale, y, inputs, outputs);
        if (rows == 3) multiply(3, whole, back, weight, scale, y, inputs, outputs);
        if (rows >= 4) multiply(4, whole, back, weight, scale, y, inputs, outputs);
    }
}

/* e^x within 1e-6 of itself, in a form that compilers turn into vectors. */
static inline float exponential(float x) {
    x = x < -87 ? -87 : x > 88 ? 88 : x;
    float whole = rintf(x * 1.44269504f), r = x - whole * 0.693147181f;
    float fraction = 1 + r * (1 + r * (.5f + r * (1 / 6.f + r * (1 / 24.f + r * (1 / 120.f + r / 720)))));
    int32_t bits = ((int32_t)whole + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return fraction * power;
}

static float dot(const float *a, const float *b, int n) {
    float sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void unit(const float *x, float *y, int n, float floor) {
    float inverse = 1 / sqrtf(dot(x, x, n) + floor * floor);
    for (int i = 0; i < n; i++) y[i] = inverse * x[i];
}

/* One query and the keys and values of one head, [span, n] each -> mixed [n]. mask [span] or NULL. */
static void attend(const float *q, const float *keys, const float *values, const float *mask, float *mixed, int span,
                   int n) {
    float scores[span], best = -1e30f, sum = 0;
    for (int k = 0; k < span; k++) {
        scores[k] = dot(q, keys + (int64_t)k * n, n) + (mask ? mask[k] : 0);
        best = scores[k] > best ? scores[k] : best;
    }
    for (int k = 0; k < span; k++) sum += scores[k] = exponential(scores[k] - best);
    memset(mixed, 0, n * sizeof *mixed);
    for (int k = 0; k < span; k++)
        for (int i = 0; i < n; i++) mixed[i] += scores[k] / sum * values[(int64_t)k * n + i];
}

/* Output projection and SwiGLU of mixed [rows, heads * head_dim], with their residuals: y = x and what they add. */
static void finish(const Block *b, int rows, const float *x, const float *mixed, float *y) {
    int width = b->width, middle = b->middle;
    float normed[rows * width], added[rows * width], inner[rows * 2 * middle], gated[rows * middle];
    product(rows, mixed, b->out, b->out_scale, added, b->heads * b->head_dim, width);
    for (int i = 0; i < rows * width; i++) y[i] = x[i] + added[i];
    for (int r = 0; r < rows; r++) unit(y + r * width, normed + r * width, width, b->floor);
    product(rows, normed, b->gate_up, b->gate_up_scale, inner, width, 2 * middle);
    for (int r = 0; r < rows; r++) {
        const float *gate = inner + 2 * r * middle, *up = gate + middle;
        for (int i = 0; i < middle; i++) gated[r * middle + i] = gate[i] / (1 + exponential(-gate[i])) * up[i];
    }
    product(rows, gated, b->down, b->down_scale, added, middle, width);
    for (int i = 0; i < rows * width; i++) y[i] += added[i];
}

/* Norm and turn one head [n] by complex [n / 2]. */
static void turn_head(float *x, const float *turn, int n, float floor) {
    if (floor >= 0) unit(x, x, n, floor);
    for (int i = 0; i < n; i += 2) {
        float real = x[i], imaginary = x[i + 1];
        x[i] = real * turn[i] - imaginary * turn[i + 1];
        x[i + 1] = real * turn[i + 1] + imaginary * turn[i];
    }
}

/* All that follows queries, keys and values, projected [rows, heads + 2 kv_heads, head_dim]; keys and values go into the
   cache [rows, 2 kv_heads, length, head_dim] at `where`. mask [rows, span], its rows `stride` apart, or NULL. */
static void mix(const Block *b, int rows, const float *x, float *projected, const float *turn, float *cache, int length,
                int64_t where, int span, const float *mask, int stride, float *y) {
    int n = b->head_dim, heads = b->heads, kv_heads = b->kv_heads, group = heads / kv_heads;
    float mixed[rows * heads * n];
    for (int r = 0; r < rows; r++) {
        float *queries = projected + r * (heads + 2 * kv_heads) * n, *news = queries + heads * n;
        float *keys = cache + (int64_t)r * 2 * kv_heads * length * n, *values = keys + (int64_t)kv_heads * length * n;
        for (int h = 0; h < heads + kv_heads; h++) turn_head(queries + h * n, turn + h * n, n, b->head_floor);
        for (int h = 0; h < 2 * kv_heads; h++)
            memcpy(keys + ((int64_t)h * length + where) * n, news + h * n, n * sizeof *news);
        for (int h = 0; h < heads; h++) {
            int64_t head = (int64_t)(h / group) * length * n;
            attend(queries + h * n, keys + head, values + head, mask ? mask + (int64_t)r * stride : 0,
                   mixed + (r * heads + h) * n, span, n);
        }
    }
    finish(b, rows, x, mixed, y);
}

/* `PackedBlock.step`: x [rows, width] -> y. */
void step(const Block *b, int rows, const float *x, const float *turn, float *cache, int length, const int64_t *where,
          int span, const float *mask, int stride, float *y) {
    int width = b->width, wide = (b->heads + 2 * b->kv_heads) * b->head_dim;
    float normed[rows * width], projected[rows * wide];
    for (int r = 0; r < rows; r++) unit(x + r * width, normed + r * width, width, b->floor);
    product(rows, normed, b->qkv, b->qkv_scale, projected, width, wide);
    mix(b, rows, x, projected, turn, cache, length, *where, span, mask, stride, y);
}

/* `PackedBlock.step_projected`: joined [rows, width + (heads + 2 kv_heads) * head_dim] -> y [rows, width]. */
void step_projected(const Block *b, int rows, const float *joined, const float *turn, float *cache, int length,
                    int place, float *y) {
    int width = b->width, wide = (b->heads + 2 * b->kv_heads) * b->head_dim;
    float x[rows * width], projected[rows * wide];
    for (int r = 0; r < rows; r++, joined += width + wide) {
        float inverse = 1 / sqrtf(dot(joined, joined, width) + b->floor * b->floor);
        memcpy(x + r * width, joined, width * sizeof *x);
        for (int i = 0; i < wide; i++) projected[r * wide + i] = inverse * joined[width + i];
    }
    mix(b, rows, x, projected, turn, cache, length, place, place + 1, 0, 0, y);
}
