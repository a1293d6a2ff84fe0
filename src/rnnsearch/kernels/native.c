/* The element-wise steps of cells.py, attention.py and cross_entropy.py, a pass over memory each.
 *
 * Rows are [directions, rows, width]: a pointer to the first row of the first direction, `*_d` numbers from a direction
 * to the next, `*_r` from a row to the next; the numbers of a row lie together. Each row is one thread's, so that
 * results do not depend on the number of threads.
 *
 * All arithmetic is in single precision. What products read and write may lie in bfloat16 (`*_low`): it is widened
 * where it is read, and rounded to the nearest, ties to even, where it is written.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#define IN_PARALLEL _Pragma("omp parallel for schedule(static) num_threads(threads) if (threads > 1)")
#define EACH_ROW                                                                                                      \
    _Pragma("omp parallel for collapse(2) schedule(static) num_threads(threads) if (threads > 1)")                     \
    for (size d = 0; d < directions; d++)                                                                              \
        for (size b = 0; b < rows; b++)
#define SIMD _Pragma("omp simd")
#define INLINE static inline __attribute__((always_inline))

/* Parameters that are rows of floats, or of either type; and the row at hand. */
#define FLOATS(x) float *x, size x##_d, size x##_r
#define EITHER(x) void *x, size x##_d, size x##_r, int x##_low
#define ROW(x) (x + d * x##_d + b * x##_r)
#define FLOATS_OF(x, n, room) floats(place(x, d * x##_d + b * x##_r, x##_low), n, x##_low, room)
#define FLOATS_FOR(x, room) (x##_low ? room : (float *)place(x, d * x##_d + b * x##_r, x##_low))
#define WRITE(x, n, room) write_low(room, place(x, d * x##_d + b * x##_r, x##_low), n, x##_low)

typedef int64_t size;
typedef uint16_t bfloat16;

INLINE float widened(bfloat16 number) {
    const uint32_t bits = (uint32_t)number << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE bfloat16 rounded(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return value != value ? 0x7fc0 : (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}

INLINE float number(const void *row, size i, int low) {
    return low ? widened(((const bfloat16 *)row)[i]) : ((const float *)row)[i];
}

INLINE void *place(const void *first, size numbers, int low) {
    return (char *)first + numbers * (size)(low ? sizeof(bfloat16) : sizeof(float));
}

/* A row as floats: as it lies there, or widened into `room`. */
INLINE const float *floats(const void *row, size n, int low, float *room) {
    if (!low) return row;
    const bfloat16 *from = row;
    SIMD for (size i = 0; i < n; i++) room[i] = widened(from[i]);
    return room;
}

INLINE void write_low(const float *room, void *row, size n, int low) {
    if (!low) return; /* written in its place */
    bfloat16 *to = row;
    SIMD for (size i = 0; i < n; i++) to[i] = rounded(room[i]);
}

/* e^x: 2^k e^f, |f| <= ln 2 / 2, by the Taylor polynomial of degree 7; within 1 unit in the last place or two. */
static inline float exponential(float x) {
    x = x > 88.0f ? 88.0f : x < -87.0f ? -87.0f : x;
    const float k = rintf(x * 1.44269504f);
    const float f = (x - k * 0.693145752f) - k * 1.42860677e-6f;
    float p = 1.98412698e-4f;
    p = p * f + 1.38888889e-3f;
    p = p * f + 8.33333333e-3f;
    p = p * f + 4.16666667e-2f;
    p = p * f + 1.66666667e-1f;
    p = p * f + 0.5f;
    p = p * f + 1.0f;
    p = p * f + 1.0f;
    const int32_t bits = ((int32_t)k + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

static inline float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }
static inline float hyperbolic(float x) { return 1.0f - 2.0f / (1.0f + exponential(2.0f * x)); }

/* r, z = sigma(x + p); n = tanh(x + r (p + b)); new = (1 - z) n + z s. Keeps r, z, n, p + b. */
void cudnn_forward(int threads, size directions, size rows, size h, EITHER(x), EITHER(p), FLOATS(s), FLOATS(new),
                   FLOATS(kept), const float *bias, size bias_d) {
    EACH_ROW {
        float room[6 * h];
        const float *X = FLOATS_OF(x, 3 * h, room), *P = FLOATS_OF(p, 3 * h, room + 3 * h), *S = ROW(s);
        const float *B = bias + d * bias_d;
        float *N = ROW(new), *K = ROW(kept);
        SIMD for (size i = 0; i < h; i++) {
            const float r = sigmoid(X[i] + P[i]), z = sigmoid(X[h + i] + P[h + i]);
            const float inner = P[2 * h + i] + B[i], n = hyperbolic(X[2 * h + i] + r * inner);
            K[i] = r, K[h + i] = z, K[2 * h + i] = n, K[3 * h + i] = inner;
            N[i] = n + z * (S[i] - n);
        }
    }
}

void cudnn_backward(int threads, size directions, size rows, size h, FLOATS(d_s), FLOATS(s), FLOATS(kept), EITHER(d_x),
                    EITHER(d_p)) {
    EACH_ROW {
        float room[6 * h];
        const float *S = ROW(s), *K = ROW(kept);
        float *D = ROW(d_s), *X = FLOATS_FOR(d_x, room), *P = FLOATS_FOR(d_p, room + 3 * h);
        SIMD for (size i = 0; i < h; i++) {
            const float r = K[i], z = K[h + i], n = K[2 * h + i], inner = K[3 * h + i], grad = D[i];
            const float dn = grad * (1.0f - z) * (1.0f - n * n);
            const float dr = dn * inner * r * (1.0f - r), dz = grad * (S[i] - n) * z * (1.0f - z);
            X[i] = dr, X[h + i] = dz, X[2 * h + i] = dn;
            P[i] = dr, P[h + i] = dz, P[2 * h + i] = dn * r;
            D[i] = grad * z;
        }
        WRITE(d_x, 3 * h, X);
        WRITE(d_p, 3 * h, P);
    }
}

/* i, f, g, o = sigma, sigma, tanh, sigma (x + p); m = f m + i g; new = o tanh(m). Keeps i, f, g, o, tanh(m). */
void lstm_forward(int threads, size directions, size rows, size h, EITHER(x), EITHER(p), FLOATS(s), FLOATS(new),
                  FLOATS(kept)) {
    EACH_ROW {
        float room[8 * h];
        const float *X = FLOATS_OF(x, 4 * h, room), *P = FLOATS_OF(p, 4 * h, room + 4 * h), *S = ROW(s);
        float *N = ROW(new), *K = ROW(kept);
        SIMD for (size j = 0; j < h; j++) {
            const float i = sigmoid(X[j] + P[j]), f = sigmoid(X[h + j] + P[h + j]);
            const float g = hyperbolic(X[2 * h + j] + P[2 * h + j]), o = sigmoid(X[3 * h + j] + P[3 * h + j]);
            const float m = f * S[h + j] + i * g, t = hyperbolic(m);
            K[j] = i, K[h + j] = f, K[2 * h + j] = g, K[3 * h + j] = o, K[4 * h + j] = t;
            N[j] = o * t, N[h + j] = m;
        }
    }
}

void lstm_backward(int threads, size directions, size rows, size h, FLOATS(d_s), FLOATS(s), FLOATS(kept), EITHER(d_x),
                   EITHER(d_p)) {
    EACH_ROW {
        float room[8 * h];
        const float *S = ROW(s), *K = ROW(kept);
        float *D = ROW(d_s), *X = FLOATS_FOR(d_x, room), *P = FLOATS_FOR(d_p, room + 4 * h);
        SIMD for (size j = 0; j < h; j++) {
            const float i = K[j], f = K[h + j], g = K[2 * h + j], o = K[3 * h + j], t = K[4 * h + j];
            const float dm = D[h + j] + D[j] * o * (1.0f - t * t);
            P[j] = X[j] = dm * g * i * (1.0f - i);
            P[h + j] = X[h + j] = dm * S[h + j] * f * (1.0f - f);
            P[2 * h + j] = X[2 * h + j] = dm * i * (1.0f - g * g);
            P[3 * h + j] = X[3 * h + j] = D[j] * t * o * (1.0f - o);
            D[j] = 0.0f, D[h + j] = dm * f;
        }
        WRITE(d_x, 4 * h, X);
        WRITE(d_p, 4 * h, P);
    }
}

/* z, r = sigma(x + p); keeps z, r and r s, which U_c multiplies before paper_update. */
void paper_reset(int threads, size directions, size rows, size h, EITHER(x), EITHER(p), FLOATS(s), FLOATS(kept)) {
    EACH_ROW {
        float room[4 * h];
        const float *X = FLOATS_OF(x, 2 * h, room), *P = FLOATS_OF(p, 2 * h, room + 2 * h), *S = ROW(s);
        float *K = ROW(kept);
        SIMD for (size i = 0; i < h; i++) {
            const float r = sigmoid(X[h + i] + P[h + i]);
            K[i] = sigmoid(X[i] + P[i]), K[h + i] = r, K[3 * h + i] = r * S[i];
        }
    }
}

/* c = tanh(x + u), u = U_c (r s); new = (1 - z) s + z c. Keeps c. */
void paper_update(int threads, size directions, size rows, size h, EITHER(x), EITHER(u), FLOATS(s), FLOATS(new),
                  FLOATS(kept)) {
    EACH_ROW {
        float room[4 * h];
        const float *X = FLOATS_OF(x, 3 * h, room), *U = FLOATS_OF(u, h, room + 3 * h), *S = ROW(s);
        float *N = ROW(new), *K = ROW(kept);
        SIMD for (size i = 0; i < h; i++) {
            const float c = hyperbolic(X[2 * h + i] + U[i]);
            K[2 * h + i] = c;
            N[i] = S[i] + K[i] * (c - S[i]);
        }
    }
}

/* Before the product with U_c: the candidate's and z's gradients; d_s becomes (1 - z) d_s. */
void paper_update_backward(int threads, size directions, size rows, size h, FLOATS(d_s), FLOATS(s), FLOATS(kept),
                           EITHER(d_x)) {
    EACH_ROW {
        float room[3 * h];
        const float *S = ROW(s), *K = ROW(kept);
        float *D = ROW(d_s), *X = FLOATS_FOR(d_x, room);
        SIMD for (size i = 0; i < h; i++) {
            const float z = K[i], c = K[2 * h + i], grad = D[i];
            X[i] = grad * (c - S[i]) * z * (1.0f - z);
            X[h + i] = 0.0f; /* until paper_reset_backward */
            X[2 * h + i] = grad * z * (1.0f - c * c);
            D[i] = grad - grad * z;
        }
        WRITE(d_x, 3 * h, X);
    }
}

/* After it: u is the gradient at r s. */
void paper_reset_backward(int threads, size directions, size rows, size h, EITHER(u), FLOATS(d_s), FLOATS(s),
                          FLOATS(kept), EITHER(d_x), EITHER(d_p)) {
    EACH_ROW {
        float room[5 * h];
        const float *S = ROW(s), *K = ROW(kept), *U = FLOATS_OF(u, h, room);
        const float *Z = FLOATS_OF(d_x, h, room + h);
        float *D = ROW(d_s), *X = FLOATS_FOR(d_x, room + h), *P = FLOATS_FOR(d_p, room + 3 * h);
        SIMD for (size i = 0; i < h; i++) {
            const float r = K[h + i], dr = U[i] * S[i] * r * (1.0f - r);
            P[i] = Z[i], P[h + i] = X[h + i] = dr;
            D[i] += U[i] * r;
        }
        WRITE(d_x, 2 * h, X);
        WRITE(d_p, 2 * h, P);
    }
}

static void softmax(float *e, size n) {
    float top = -INFINITY, sum = 0.0f;
    for (size j = 0; j < n; j++) top = e[j] > top ? e[j] : top;
    for (size j = 0; j < n; j++) sum += e[j] = e[j] == -INFINITY ? 0.0f : exponential(e[j] - top);
    for (size j = 0; j < n; j++) e[j] /= sum;
}

/* weights = softmax over j of padding_j - 2 sum_a v_a / (1 + E_a E_ja); E = e^(2 query), kept, cut at +-limit.
 * Each sentence is asked at each step. */
void additive_forward(int threads, size steps, size sentences, size source, size a, EITHER(query), const float *keys,
                      const float *v, const float *padding, float limit, float *weights, float *kept) {
    IN_PARALLEL
    for (size b = 0; b < sentences; b++)
        for (size d = 0; d < steps; d++) {
            float room[a], *E = kept + (d * sentences + b) * a, *W = weights + (d * sentences + b) * source;
            const float *Q = FLOATS_OF(query, a, room);
            SIMD for (size i = 0; i < a; i++) {
                const float q = Q[i] > limit ? limit : Q[i] < -limit ? -limit : Q[i];
                E[i] = exponential(2.0f * q);
            }
            for (size j = 0; j < source; j++) {
                const float *K = keys + (b * source + j) * a, pad = padding[b * source + j];
                W[j] = pad;
                if (pad == -INFINITY) continue;
                float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
                for (size i = 0; i < a; i++) sum += v[i] / (1.0f + E[i] * K[i]);
                W[j] -= 2.0f * sum;
            }
            softmax(W, source);
        }
}

/* With rho = 1 / (1 + E E_j): d_query = 4 v sum_j d_e (rho - rho^2); adds d_e (rho - rho^2) to d_keys, and
 * sum_j d_e rho to the row of d_v. */
void additive_backward(int threads, size steps, size sentences, size source, size a, const float *d_weights,
                       const float *weights, const float *kept, const float *keys, const float *v, float *d_energies,
                       EITHER(d_query), float *d_keys, float *d_v) {
    IN_PARALLEL
    for (size b = 0; b < sentences; b++)
        for (size d = 0; d < steps; d++) {
            const size n = d * sentences + b;
            float room[a], *V = d_v + b * a, *G = d_energies + n * source, *Q = FLOATS_FOR(d_query, room), mean = 0.0f;
            const float *E = kept + n * a, *W = weights + n * source, *D = d_weights + n * source;
            for (size j = 0; j < source; j++) mean += W[j] * D[j];
            memset(Q, 0, a * sizeof(float));
            for (size j = 0; j < source; j++) {
                const float g = G[j] = W[j] * (D[j] - mean);
                if (g == 0.0f) continue;
                const float *K = keys + (b * source + j) * a;
                float *dK = d_keys + (b * source + j) * a;
                SIMD for (size i = 0; i < a; i++) {
                    const float rho = 1.0f / (1.0f + E[i] * K[i]), first = g * rho, slope = first - first * rho;
                    Q[i] += slope;
                    V[i] += first;
                    dK[i] += slope;
                }
            }
            SIMD for (size i = 0; i < a; i++) Q[i] *= 4.0f * v[i];
            WRITE(d_query, a, Q);
        }
}

/* to[j][i] = from[i][j], in squares whose rows are a cache line: a line is read once, and written once */
void transpose(int threads, size rows, size columns, const void *from, int low, float *to) {
    enum { SIDE = 16 };
    IN_PARALLEL
    for (size c = 0; c < columns; c += SIDE) {
        const size wide = c + SIDE < columns ? SIDE : columns - c;
        for (size r = 0; r < rows; r += SIDE) {
            const size high = r + SIDE < rows ? SIDE : rows - r;
            float square[SIDE][SIDE];
            for (size i = 0; i < high; i++) {
                const void *line = place(from, (r + i) * columns + c, low);
                for (size j = 0; j < wide; j++) square[j][i] = number(line, j, low);
            }
            for (size j = 0; j < wide; j++) memcpy(to + (c + j) * rows + r, square[j], high * sizeof(float));
        }
    }
}

/* sums_j = sum_i from[i][j]; columns of a block are one thread's */
void column_sums(int threads, size rows, size columns, const void *from, int low, float *sums) {
    enum { BLOCK = 64 };
    IN_PARALLEL
    for (size c = 0; c < columns; c += BLOCK) {
        const size n = c + BLOCK < columns ? BLOCK : columns - c;
        float sum[BLOCK] = {0}, room[BLOCK];
        for (size i = 0; i < rows; i++) {
            const float *line = floats(place(from, i * columns + c, low), n, low, room);
            SIMD for (size j = 0; j < n; j++) sum[j] += line[j];
        }
        memcpy(sums + c, sum, n * sizeof(float));
    }
}

INLINE void add(size n, float weight, const void *values, int low, float *to) {
    const float *same = values;
    const bfloat16 *half = values;
    if (low) {
        SIMD for (size i = 0; i < n; i++) to[i] += weight * widened(half[i]);
    } else {
        SIMD for (size i = 0; i < n; i++) to[i] += weight * same[i];
    }
}

INLINE float dot(size n, const float *one, const void *other, int low) {
    const float *same = other;
    const bfloat16 *half = other;
    float sum = 0.0f;
    if (low) {
#pragma omp simd reduction(+ : sum)
        for (size i = 0; i < n; i++) sum += one[i] * widened(half[i]);
    } else {
#pragma omp simd reduction(+ : sum)
        for (size i = 0; i < n; i++) sum += one[i] * same[i];
    }
    return sum;
}

/* out = x + sum_j weights_j values_j; positions without weight at the end are left out */
void mix_forward(int threads, size rows, size source, size width, const float *weights, const void *values, int low,
                 const void *x, int x_low, float *out) {
    IN_PARALLEL
    for (size b = 0; b < rows; b++) {
        const float *W = weights + b * source;
        const void *X = place(x, b * width, x_low);
        float *O = out + b * width;
        size end = source;
        while (end && W[end - 1] == 0.0f) end--;
        if (floats(X, width, x_low, O) != O) memcpy(O, X, width * sizeof(float));
        for (size j = 0; j < end; j++) add(width, W[j], place(values, (b * source + j) * width, low), low, O);
    }
}

/* d_weights_j = d_out . values_j, added to what is there */
void mix_backward(int threads, size rows, size source, size width, const void *d_out, int d_low, const void *values,
                  int low, float *d_weights) {
    IN_PARALLEL
    for (size b = 0; b < rows; b++) {
        float room[width];
        const float *D = floats(place(d_out, b * width, d_low), width, d_low, room);
        for (size j = 0; j < source; j++)
            d_weights[b * source + j] += dot(width, D, place(values, (b * source + j) * width, low), low);
    }
}

/* Logits become softmax, less `certain` at the target; z = log sum_i e^(logit_i) and the target's logit are written. */
INLINE void softmax_row(size v, void *logits, int low, size target, float certain, float *z, float *wanted) {
    float top = -INFINITY, sum = 0.0f;
#pragma omp simd reduction(max : top)
    for (size i = 0; i < v; i++) {
        const float logit = number(logits, i, low);
        top = logit > top ? logit : top;
    }
#pragma omp simd reduction(+ : sum)
    for (size i = 0; i < v; i++) sum += exponential(number(logits, i, low) - top);
    *wanted = number(logits, target, low);
    *z = top + logf(sum);
    const float share = 1.0f / sum, known = exponential(*wanted - top) * share - certain;
    if (low) {
        bfloat16 *L = logits;
        SIMD for (size i = 0; i < v; i++) L[i] = rounded(exponential(widened(L[i]) - top) * share);
        L[target] = rounded(known);
    } else {
        float *L = logits;
        SIMD for (size i = 0; i < v; i++) L[i] = exponential(L[i] - top) * share;
        L[target] = known;
    }
}

void cross_entropy(int threads, size rows, size v, void *logits, int low, const int64_t *targets, float certain,
                   float *z, float *wanted) {
    IN_PARALLEL
    for (size n = 0; n < rows; n++) {
        void *L = place(logits, n * v, low);
        if (low)
            softmax_row(v, L, 1, targets[n], certain, z + n, wanted + n);
        else
            softmax_row(v, L, 0, targets[n], certain, z + n, wanted + n);
    }
}

/* Logits less z = log sum_i e^(logit_i) of their row, in their place. */
void log_softmax(int threads, size rows, size v, float *logits) {
    IN_PARALLEL
    for (size n = 0; n < rows; n++) {
        float *L = logits + n * v, top = -INFINITY, sum = 0.0f;
#pragma omp simd reduction(max : top)
        for (size i = 0; i < v; i++) top = L[i] > top ? L[i] : top;
#pragma omp simd reduction(+ : sum)
        for (size i = 0; i < v; i++) sum += exponential(L[i] - top);
        const float z = top + logf(sum);
        SIMD for (size i = 0; i < v; i++) L[i] -= z;
    }
}

/* Whole recurrences. A thread takes a block of rows through all steps, so that what it goes through again and again
 * lies in its own cache, and nothing is called between. Matrices are packed so that a panel of PANEL columns lies
 * together, [panels, depth, PANEL], of bfloat16 [panels, depth / 2, PANEL, 2], zero where columns and depth end. Every
 * number of a product is summed in the order of depth, so that a row's results do not depend on the rows beside it. */
#ifdef __AVX512F__
enum { LANES = 16, GROUP = 8 };
#else
enum { LANES = 8, GROUP = 4 };
#endif
enum { PANEL = 2 * LANES, CUDNN = 0, LSTM = 1, PAPER = 2 };
typedef float vector __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float))));
#define UNROLL _Pragma("GCC unroll 8")

size in_panels(size columns) { return (columns + PANEL - 1) / PANEL * PANEL; }

void pack(int threads, size columns, size depth, const void *matrix, size matrix_c, size matrix_k, int low,
          void *packed) {
    const float *from = matrix;
    const bfloat16 *from_low = matrix;
    float *to = packed;
    bfloat16 *to_low = packed;
    const size pairs = (depth + 1) / 2;
    IN_PARALLEL
    for (size first = 0; first < columns; first += PANEL)
        for (size k = 0; k < (low ? 2 * pairs : depth); k++)
            for (size i = 0; i < PANEL; i++) {
                const size at = (first + i) * matrix_c + k * matrix_k;
                const int there = first + i < columns && k < depth;
                if (low)
                    to_low[2 * (first * pairs + k / 2 * PANEL + i) + k % 2] = there ? from_low[at] : 0;
                else
                    to[first * depth + k * PANEL + i] = there ? from[at] : 0.0f;
            }
}

INLINE void times_panel(size rows, size depth, const float *x, size x_r, const float *panel, float *y, size y_r) {
    vector sums[GROUP][2] = {0};
    for (size k = 0; k < depth; k++) {
        const vector *W = (const vector *)(panel + k * PANEL);
        UNROLL for (size b = 0; b < rows; b++) {
            sums[b][0] += x[b * x_r + k] * W[0];
            sums[b][1] += x[b * x_r + k] * W[1];
        }
    }
    UNROLL for (size b = 0; b < rows; b++) memcpy(y + b * y_r, sums[b], sizeof sums[b]);
}

/* The same of bfloat16, sums in single precision: two numbers of the depth at once where the processor can. */
#ifdef __AVX512BF16__
int multiplies_bfloat16(void) { return 1; }

INLINE void times_panel_low(size rows, size depth, const bfloat16 *x, size x_r, const bfloat16 *panel, float *y,
                            size y_r) {
    __m512 sums[GROUP][2];
    UNROLL for (size b = 0; b < rows; b++) sums[b][0] = sums[b][1] = _mm512_setzero_ps();
    for (size k = 0; k < depth; k += 2) {
        const __m512bh left = (__m512bh)_mm512_loadu_si512(panel + k * PANEL);
        const __m512bh right = (__m512bh)_mm512_loadu_si512(panel + k * PANEL + 2 * LANES);
        UNROLL for (size b = 0; b < rows; b++) {
            int pair = x[b * x_r + k];
            if (k + 1 < depth) memcpy(&pair, x + b * x_r + k, sizeof pair);
            const __m512bh both = (__m512bh)_mm512_set1_epi32(pair);
            sums[b][0] = _mm512_dpbf16_ps(sums[b][0], both, left);
            sums[b][1] = _mm512_dpbf16_ps(sums[b][1], both, right);
        }
    }
    UNROLL for (size b = 0; b < rows; b++) memcpy(y + b * y_r, sums[b], sizeof sums[b]);
}
#else
int multiplies_bfloat16(void) { return 0; }

INLINE void times_panel_low(size rows, size depth, const bfloat16 *x, size x_r, const bfloat16 *panel, float *y,
                            size y_r) {
    for (size b = 0; b < rows; b++) {
        float sums[PANEL] = {0};
        for (size k = 0; k < depth; k++) {
            const float value = widened(x[b * x_r + k]);
            const bfloat16 *W = panel + k / 2 * 2 * PANEL + k % 2;
            for (size i = 0; i < PANEL; i++) sums[i] += value * widened(W[2 * i]);
        }
        memcpy(y + b * y_r, sums, sizeof sums);
    }
}
#endif

INLINE void times(size rows, size depth, const void *x, size x_r, int low, const void *panel, float *y, size y_r) {
    if (low)
        times_panel_low(rows, depth, x, x_r, panel, y, y_r);
    else
        times_panel(rows, depth, x, x_r, panel, y, y_r);
}

/* y = x W^T, up to GROUP rows; x and W of either type; a row of y has room for whole panels */
static void multiply(size rows, size columns, size depth, const void *x, size x_r, int low, const void *packed,
                     float *y) {
    const size y_r = in_panels(columns), panel = (low ? depth + depth % 2 : depth) * PANEL;
    for (size c = 0; c < columns; c += PANEL, packed = place(packed, panel, low)) {
        if (rows == GROUP) {
            times(GROUP, depth, x, x_r, low, packed, y + c, y_r);
            continue;
        }
        size b = 0;
        if (rows & 4) times(4, depth, x, x_r, low, packed, y + c, y_r), b = 4;
        if (rows & 2) times(2, depth, place(x, b * x_r, low), x_r, low, packed, y + c + b * y_r, y_r), b += 2;
        if (rows & 1) times(1, depth, place(x, b * x_r, low), x_r, low, packed, y + c + b * y_r, y_r);
    }
}

/* y = x W^T + b of many rows, x and W of either type; b may be null. A thread takes panels of W through all rows. */
void product(int threads, size rows, size columns, size depth, const void *x, int low, const void *packed,
             const float *bias, float *y) {
    const size panel = (low ? depth + depth % 2 : depth) * PANEL;
    IN_PARALLEL
    for (size c = 0; c < columns; c += PANEL) {
        const size width = columns - c < PANEL ? columns - c : PANEL;
        const void *W = place(packed, c / PANEL * panel, low);
        float sums[GROUP * PANEL];
        for (size first = 0; first < rows; first += GROUP) {
            const size n = rows - first < GROUP ? rows - first : GROUP;
            multiply(n, PANEL, depth, place(x, first * depth, low), depth, low, W, sums);
            for (size b = 0; b < n; b++) {
                float *Y = y + (first + b) * columns + c;
                for (size i = 0; i < width; i++) Y[i] = bias ? sums[b * PANEL + i] + bias[c + i] : sums[b * PANEL + i];
            }
        }
    }
}

/* The rows of a block: those that are multiplied at once, or fewer, so that no thread is without. */
INLINE size block_of(int threads, size rows) {
    const size share = (rows + threads - 1) / threads;
    return share < 1 ? 1 : share < GROUP ? share : GROUP;
}

/* Numbers of a row, in units of h, by cell: what enters, and what a product of the state gives. */
static const size GATES[] = {3, 4, 3}, JOINED[] = {3, 4, 2};
#define FLOATS_AT(x, t) (x + (t) * x##_d + first * x##_r)
#define EITHER_AT(x, t) place(x, (t) * x##_d + first * x##_r, x##_low)
#define OF(x) x, 0, x##_r
#define OF_EITHER(x) x, 0, x##_r, x##_low

/* The steps of a cell, attention by `additive_forward` and `mix_forward` where there is a source. Products read `seen`,
 * the states or a copy of them in bfloat16, as which `packed`, U_c, x and gates then lie, too. `packed` is [U ; W_a]
 * (`query` rows of W_a; 0 where the state itself asks), `extra` b' of a cudnn cell, U_c packed of a paper's. The first
 * active[t] rows go through step t. `room` has space for what enters, a state and for products of each row. */
void recurrence_forward(int threads, int cell, size steps, size rows, size h, const int64_t *active, EITHER(x),
                        const void *packed, size query, const void *extra, EITHER(seen), FLOATS(states), FLOATS(kept),
                        size source, size a, const float *keys, const float *v, const float *padding, float limit,
                        const void *gates, float *weights, float *queries, float *room) {
    const size g = GATES[cell] * h, joined = JOINED[cell] * h, P_r = in_panels(joined + query), U_r = in_panels(h);
    const size block = block_of(threads, rows);
    const int low = seen_low, P_low = 0, U_low = 0;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
    for (size first = 0; first < rows; first += block) {
        const size all = rows - first < block ? rows - first : block;
        float *mixed = room + first * (g + P_r + U_r + h), *P = mixed + all * g, *U = P + all * P_r, *R = U + all * U_r;
        for (size t = 0; t < steps && active[t] > first; t++) {
            const size n = active[t] - first < all ? active[t] - first : all, at = t * rows + first;
            float *S = FLOATS_AT(states, t), *N = FLOATS_AT(states, t + 1), *K = FLOATS_AT(kept, t);
            const size S_r = states_r, N_r = states_r, K_r = kept_r, X_r = source ? g : x_r;
            const int X_low = source ? 0 : x_low;
            void *X = EITHER_AT(x, t);
            multiply(n, joined + query, h, EITHER_AT(seen, t), seen_r, low, packed, P);
            if (source) {
                float *asks = query ? P + joined : S, *W = weights + at * source;
                const size asks_r = query ? P_r : S_r;
                additive_forward(1, 1, n, source, a, asks, 0, asks_r, 0, keys + first * source * a, v,
                                 padding + first * source, limit, W, queries + at * a);
                mix_forward(1, n, source, g, W, place(gates, first * source * g, low), low, X, x_low, mixed);
                X = mixed;
            }
            if (cell == CUDNN) {
                cudnn_forward(1, 1, n, h, OF_EITHER(X), OF_EITHER(P), OF(S), OF(N), OF(K), extra, 0);
            } else if (cell == LSTM) {
                lstm_forward(1, 1, n, h, OF_EITHER(X), OF_EITHER(P), OF(S), OF(N), OF(K));
            } else {
                paper_reset(1, 1, n, h, OF_EITHER(X), OF_EITHER(P), OF(S), OF(K));
                for (size b = 0; b < n; b++) write_low(K + b * K_r + 3 * h, (bfloat16 *)R + b * h, h, low);
                multiply(n, h, h, low ? R : K + 3 * h, low ? h : K_r, low, extra, U);
                paper_update(1, 1, n, h, OF_EITHER(X), OF_EITHER(U), OF(S), OF(N), OF(K));
            }
            for (size b = 0; b < n; b++) write_low(N + b * N_r, place(EITHER_AT(seen, t + 1), b * seen_r, low), h, low);
        }
    }
}

/* The same backwards. `packed` is [U ; W_a]^T, `extra` U_c^T packed. d_states and d_weights may be null; d_s ends as
 * the gradient at the state before the first step, but for d_states' own part; d_keys and d_v are added to. */
void recurrence_backward(int threads, int cell, size steps, size rows, size h, const int64_t *active, EITHER(d_states),
                         float *d_s, size d_s_r, FLOATS(states), FLOATS(kept), EITHER(d_x), EITHER(d_p),
                         const void *packed, size query, const void *extra, size source, size a, const float *keys,
                         const float *v, const void *gates, const float *weights, const float *queries,
                         const float *d_weights, float *d_energies, float *d_keys, float *d_v, float *room) {
    const size g = GATES[cell] * h, joined = JOINED[cell] * h, U_r = in_panels(h), D_r = d_s_r;
    const size block = block_of(threads, rows);
    const int low = d_p_low, U_low = 0;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
    for (size first = 0; first < rows; first += block) {
        const size all = rows - first < block ? rows - first : block;
        float *U = room + first * (U_r + source + a), *d_W = U + all * U_r, *asked = d_W + all * source;
        float *D = d_s + first * d_s_r;
        size t = 0;
        while (t < steps && active[t] > first) t++;
        while (t--) {
            const size n = active[t] - first < all ? active[t] - first : all, at = t * rows + first;
            float *S = FLOATS_AT(states, t), *K = FLOATS_AT(kept, t);
            void *X = EITHER_AT(d_x, t), *P = EITHER_AT(d_p, t);
            const size S_r = states_r, K_r = kept_r, X_r = d_x_r, P_r = d_p_r;
            const int X_low = low, P_low = low;
            for (size b = 0; d_states && b < n; b++)
                add(h, 1.0f, place(EITHER_AT(d_states, t + 1), b * d_states_r, d_states_low), d_states_low, D + b * D_r);
            if (cell == CUDNN) {
                cudnn_backward(1, 1, n, h, OF(D), OF(S), OF(K), OF_EITHER(X), OF_EITHER(P));
            } else if (cell == LSTM) {
                lstm_backward(1, 1, n, h, OF(D), OF(S), OF(K), OF_EITHER(X), OF_EITHER(P));
            } else {
                paper_update_backward(1, 1, n, h, OF(D), OF(S), OF(K), OF_EITHER(X));
                multiply(n, h, h, place(X, 2 * h, low), X_r, low, extra, U);
                paper_reset_backward(1, 1, n, h, OF_EITHER(U), OF(D), OF(S), OF(K), OF_EITHER(X), OF_EITHER(P));
            }
            if (source) {
                if (d_weights)
                    memcpy(d_W, d_weights + at * source, n * source * sizeof(float));
                else
                    memset(d_W, 0, n * source * sizeof(float));
                mix_backward(1, n, source, g, X, low, place(gates, first * source * g, low), low, d_W);
                additive_backward(1, 1, n, source, a, d_W, weights + at * source, queries + at * a,
                                  keys + first * source * a, v, d_energies + at * source,
                                  query ? place(P, joined, low) : asked, 0, query ? P_r : a, query ? low : 0,
                                  d_keys + first * source * a, d_v + first * a);
                for (size b = 0; !query && b < n; b++) add(h, 1.0f, asked + b * a, 0, D + b * D_r);
            }
            multiply(n, h, joined + query, P, P_r, low, packed, U);
            for (size b = 0; b < n; b++) add(h, 1.0f, U + b * U_r, 0, D + b * D_r);
        }
    }
}
