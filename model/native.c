/* One decoding step of a Llama block for a few rows, with what `packed_layers.py` says about layouts.

   Weights are int8, rounded per output, all else is float. PyTorch needs some thirty kernels for this, and its own
   int8 product converts activations to bfloat16 and back. Compiled by `native.py`, on one thread. */

#ifdef __AVX2__
#include <immintrin.h>
#endif
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 8, MOST = 4 }; /* numbers in a vector; outputs and rows that are summed at once, at most */
typedef float Floats __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int8_t Bytes __attribute__((vector_size(LANES), aligned(1), may_alias));

typedef struct {
    int width, heads, kv_heads, head_dim, middle;
    float floor, head_floor; /* of the norms' lengths; head_floor < 0: queries and keys have no norm */
    const int8_t *qkv, *out, *gate_up, *down;
    const float *qkv_scale, *out_scale, *gate_up_scale, *down_scale;
} Block;

static inline Floats widened(const int8_t *weights) {
#ifdef __AVX2__ /* GCC 12 makes code of the other line that takes four times as long */
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)weights)));
#else
    return __builtin_convertvector(*(const Bytes *)weights, Floats);
#endif
}

static inline float total(Floats sums) {
    float all = 0;
    for (int i = 0; i < LANES; i++) all += sums[i];
    return all;
}

/* `rows` and `at_once` are constants where this is called, so that all sums stay in registers. */
static inline __attribute__((always_inline)) void multiply(int rows, int at_once, const float *x, const int8_t *weight,
                                                           const float *scale, float *y, int inputs, int outputs) {
    for (int o = 0; o < outputs; o += at_once, weight += (int64_t)at_once * inputs) {
        Floats sums[MOST][MOST] = {{{0}}};
        for (int i = 0; i < inputs; i += LANES)
            for (int k = 0; k < at_once; k++) {
                Floats weights = widened(weight + (int64_t)k * inputs + i);
                for (int r = 0; r < rows; r++) sums[k][r] += weights * *(const Floats *)(x + (int64_t)r * inputs + i);
            }
        for (int k = 0; k < at_once; k++)
            for (int r = 0; r < rows; r++) y[(int64_t)r * outputs + o + k] = total(sums[k][r]) * scale[o + k];
    }
}

/* y [rows, outputs] = x [rows, inputs] times weight [outputs, inputs] transposed; 1 to 4 rows, outputs in fours,
   inputs in eights. */
void product(int rows, const float *x, const int8_t *weight, const float *scale, float *y, int inputs, int outputs) {
    if (rows == 1) multiply(1, 4, x, weight, scale, y, inputs, outputs);
    if (rows == 2) multiply(2, 4, x, weight, scale, y, inputs, outputs);
    if (rows == 3) multiply(3, 2, x, weight, scale, y, inputs, outputs);
    if (rows == 4) multiply(4, 2, x, weight, scale, y, inputs, outputs);
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

/* All of a block's step that follows the cache [rows, 2 kv_heads, length, head_dim]: see `PackedBlock.look`. */
void look(const Block *b, int rows, const float *x, const float *q, const float *cache, int length, int span,
          const float *mask, int mask_stride, float *y) {
    int n = b->head_dim, wide = b->heads * n, group = b->heads / b->kv_heads, middle = b->middle;
    float mixed[rows * wide], normed[rows * b->width], inner[rows * 2 * middle], gated[rows * middle];
    float added[rows * b->width];
    for (int r = 0; r < rows; r++)
        for (int h = 0; h < b->heads; h++) {
            const float *keys = cache + ((int64_t)r * 2 * b->kv_heads + h / group) * length * n;
            const float *values = keys + (int64_t)b->kv_heads * length * n;
            attend(q + r * wide + h * n, keys, values, mask ? mask + (int64_t)r * mask_stride : 0,
                   mixed + r * wide + h * n, span, n);
        }
    product(rows, mixed, b->out, b->out_scale, added, wide, b->width);
    for (int i = 0; i < rows * b->width; i++) y[i] = x[i] + added[i];
    for (int r = 0; r < rows; r++) unit(y + r * b->width, normed + r * b->width, b->width, b->floor);
    product(rows, normed, b->gate_up, b->gate_up_scale, inner, b->width, 2 * middle);
    for (int r = 0; r < rows; r++) {
        const float *gate = inner + 2 * r * middle, *up = gate + middle;
        for (int i = 0; i < middle; i++) gated[r * middle + i] = gate[i] / (1 + exponential(-gate[i])) * up[i];
    }
    product(rows, gated, b->down, b->down_scale, added, middle, b->width);
    for (int i = 0; i < rows * b->width; i++) y[i] += added[i];
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

/* A block's step, x [rows, width] -> y: see `PackedBlock.step`. Writes the cache at `*where`, then looks. */
void step(const Block *b, int rows, const float *x, const float *turn, float *cache, int length, const int64_t *where,
          int span, const float *mask, int mask_stride, float *y) {
    int n = b->head_dim, turned = b->heads + b->kv_heads, all = turned + b->kv_heads;
    float normed[rows * b->width], projected[rows * all * n], q[rows * b->heads * n];
    for (int r = 0; r < rows; r++) unit(x + r * b->width, normed + r * b->width, b->width, b->floor);
    product(rows, normed, b->qkv, b->qkv_scale, projected, b->width, all * n);
    for (int r = 0; r < rows; r++)
        for (int h = 0; h < all; h++) {
            float *head = projected + (r * all + h) * n;
            float *place = h < b->heads ? q + (r * b->heads + h) * n
                                        : cache + (((int64_t)r * 2 * b->kv_heads + h - b->heads) * length + *where) * n;
            if (h < turned) turn_head(head, turn + h * n, n, b->head_floor);
            memcpy(place, head, n * sizeof *head);
        }
    look(b, rows, x, q, cache, length, span, mask, mask_stride, y);
}
