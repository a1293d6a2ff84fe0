/* The element-wise steps of cells.py and attention.py in single precision, a pass over memory each.
 *
 * Rows are [directions, rows, width]: a pointer to the first row of the first direction, `*_d` floats from a direction
 * to the next, `*_r` from a row to the next; the numbers of a row lie together. Each row is one thread's, so that
 * results do not depend on the number of threads.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define ROWS_IN_PARALLEL                                                                                              \
    _Pragma("omp parallel for collapse(2) schedule(static) num_threads(threads) if (threads > 1)")
#define SIMD _Pragma("omp simd")

typedef int64_t size;

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
void cudnn_forward(int threads, size directions, size rows, size h, const float *x, size x_d, size x_r, const float *p,
                   size p_d, size p_r, const float *s, size s_d, size s_r, float *new, size new_d, size new_r,
                   float *kept, size kept_d, size kept_r, const float *bias, size bias_d) {
    ROWS_IN_PARALLEL
    for (size d = 0; d < directions; d++)
        for (size b = 0; b < rows; b++) {
            const float *X = x + d * x_d + b * x_r, *P = p + d * p_d + b * p_r, *S = s + d * s_d + b * s_r;
            const float *B = bias + d * bias_d;
            float *N = new + d *new_d + b * new_r, *K = kept + d * kept_d + b * kept_r;
            SIMD for (size i = 0; i < h; i++) {
                const float r = sigmoid(X[i] + P[i]), z = sigmoid(X[h + i] + P[h + i]);
                const float inner = P[2 * h + i] + B[i], n = hyperbolic(X[2 * h + i] + r * inner);
                K[i] = r, K[h + i] = z, K[2 * h + i] = n, K[3 * h + i] = inner;
                N[i] = n + z * (S[i] - n);
            }
        }
}

void cudnn_backward(int threads, size directions, size rows, size h, float *d_s, size ds_d, size ds_r, const float *s,
                    size s_d, size s_r, const float *kept, size kept_d, size kept_r, float *d_x, size dx_d, size dx_r,
                    float *d_p, size dp_d, size dp_r) {
    ROWS_IN_PARALLEL
    for (size d = 0; d < directions; d++)
        for (size b = 0; b < rows; b++) {
            const float *S = s + d * s_d + b * s_r, *K = kept + d * kept_d + b * kept_r;
            float *D = d_s + d * ds_d + b * ds_r, *X = d_x + d * dx_d + b * dx_r, *P = d_p + d * dp_d + b * dp_r;
            SIMD for (size i = 0; i < h; i++) {
                const float r = K[i], z = K[h + i], n = K[2 * h + i], inner = K[3 * h + i], grad = D[i];
                const float dn = grad * (1.0f - z) * (1.0f - n * n);
                const float dr = dn * inner * r * (1.0f - r), dz = grad * (S[i] - n) * z * (1.0f - z);
                X[i] = dr, X[h + i] = dz, X[2 * h + i] = dn;
                P[i] = dr, P[h + i] = dz, P[2 * h + i] = dn * r;
                D[i] = grad * z;
            }
        }
}

/* i, f, g, o = sigma, sigma, tanh, sigma (x + p); m = f m + i g; new = o tanh(m). Keeps i, f, g, o, tanh(m). */
void lstm_forward(int threads, size directions, size rows, size h, const float *x, size x_d, size x_r, const float *p,
                  size p_d, size p_r, const float *s, size s_d, size s_r, float *new, size new_d, size new_r,
                  float *kept, size kept_d, size kept_r) {
    ROWS_IN_PARALLEL
    for (size d = 0; d < directions; d++)
        for (size b = 0; b < rows; b++) {
            const float *X = x + d * x_d + b * x_r, *P = p + d * p_d + b * p_r, *S = s + d * s_d + b * s_r;
            float *N = new + d *new_d + b * new_r, *K = kept + d * kept_d + b * kept_r;
            SIMD for (size j = 0; j < h; j++) {
                const float i = sigmoid(X[j] + P[j]), f = sigmoid(X[h + j] + P[h + j]);
                const float g = hyperbolic(X[2 * h + j] + P[2 * h + j]), o = sigmoid(X[3 * h + j] + P[3 * h + j]);
                const float m = f * S[h + j] + i * g, t = hyperbolic(m);
                K[j] = i, K[h + j] = f, K[2 * h + j] = g, K[3 * h + j] = o, K[4 * h + j] = t;
                N[j] = o * t, N[h + j] = m;
            }
        }
}

void lstm_backward(int threads, size directions, size rows, size h, float *d_s, size ds_d, size ds_r, const float *s,
                   size s_d, size s_r, const float *kept, size kept_d, size kept_r, float *d_x, size dx_d, size dx_r,
                   float *d_p, size dp_d, size dp_r) {
    ROWS_IN_PARALLEL
    for (size d = 0; d < directions; d++)
        for (size b = 0; b < rows; b++) {
            const float *S = s + d * s_d + b * s_r, *K = kept + d * kept_d + b * kept_r;
            float *D = d_s + d * ds_d + b * ds_r, *X = d_x + d * dx_d + b * dx_r, *P = d_p + d * dp_d + b * dp_r;
            SIMD for (size j = 0; j < h; j++) {
                const float i = K[j], f = K[h + j], g = K[2 * h + j], o = K[3 * h + j], t = K[4 * h + j];
                const float dm = D[h + j] + D[j] * o * (1.0f - t * t);
                P[j] = X[j] = dm * g * i * (1.0f - i);
                P[h + j] = X[h + j] = dm * S[h + j] * f * (1.0f - f);
                P[2 * h + j] = X[2 * h + j] = dm * i * (1.0f - g * g);
                P[3 * h + j] = X[3 * h + j] = D[j] * t * o * (1.0f - o);
                D[j] = 0.0f, D[h + j] = dm * f;
            }
        }
}

/* z, r = sigma(x + p); keeps z, r and r s, which U_c multiplies before paper_update. */
void paper_reset(int threads, size directions, size rows, size h, const float *x, size x_d, size x_r, const float *p,
                 size p_d, size p_r, const float *s, size s_d, size s_r, float *kept, size kept_d, size kept_r) {
    ROWS_IN_PARALLEL
    for (size d = 0; d < directions; d++)
        for (size b = 0; b < rows; b++) {
            const float *X = x + d * x_d + b * x_r, *P = p + d * p_d + b * p_r, *S = s + d * s_d + b * s_r;
            float *K = kept + d * kept_d + b * kept_r;
            SIMD for (size i = 0; i < h; i++) {
                const float r = sigmoid(X[h + i] + P[h + i]);
                K[i] = sigmoid(X[i] + P[i]), K[h + i] = r, K[3 * h + i] = r * S[i];
            }
        }
}

/* c = tanh(x + u), u = U_c (r s); new = (1 - z) s + z c. Keeps c. */
void paper_update(int threads, size directions, size rows, size h, const float *x, size x_d, size x_r, const float *u,
                  size u_d, size u_r, const float *s, size s_d, size s_r, float *new, size new_d, size new_r,
                  float *kept, size kept_d, size kept_r) {
    ROWS_IN_PARALLEL
    for (size d = 0; d < directions; d++)
        for (size b = 0; b < rows; b++) {
            const float *X = x + d * x_d + b * x_r, *U = u + d * u_d + b * u_r, *S = s + d * s_d + b * s_r;
            float *N = new + d *new_d + b * new_r, *K = kept + d * kept_d + b * kept_r;
            SIMD for (size i = 0; i < h; i++) {
                const float c = hyperbolic(X[2 * h + i] + U[i]);
                K[2 * h + i] = c;
                N[i] = S[i] + K[i] * (c - S[i]);
            }
        }
}

/* Before the product with U_c: the candidate's and z's gradients; d_s becomes (1 - z) d_s. */
void paper_update_backward(int threads, size directions, size rows, size h, float *d_s, size ds_d, size ds_r,
                           const float *s, size s_d, size s_r, const float *kept, size kept_d, size kept_r, float *d_x,
                           size dx_d, size dx_r) {
    ROWS_IN_PARALLEL
    for (size d = 0; d < directions; d++)
        for (size b = 0; b < rows; b++) {
            const float *S = s + d * s_d + b * s_r, *K = kept + d * kept_d + b * kept_r;
            float *D = d_s + d * ds_d + b * ds_r, *X = d_x + d * dx_d + b * dx_r;
            SIMD for (size i = 0; i < h; i++) {
                const float z = K[i], c = K[2 * h + i], grad = D[i];
                X[i] = grad * (c - S[i]) * z * (1.0f - z);
                X[2 * h + i] = grad * z * (1.0f - c * c);
                D[i] = grad - grad * z;
            }
        }
}

/* After it: u is the gradient at r s. */
void paper_reset_backward(int threads, size directions, size rows, size h, const float *u, size u_d, size u_r,
                          float *d_s, size ds_d, size ds_r, const float *s, size s_d, size s_r, const float *kept,
                          size kept_d, size kept_r, float *d_x, size dx_d, size dx_r, float *d_p, size dp_d,
                          size dp_r) {
    ROWS_IN_PARALLEL
    for (size d = 0; d < directions; d++)
        for (size b = 0; b < rows; b++) {
            const float *S = s + d * s_d + b * s_r, *K = kept + d * kept_d + b * kept_r, *U = u + d * u_d + b * u_r;
            float *D = d_s + d * ds_d + b * ds_r, *X = d_x + d * dx_d + b * dx_r, *P = d_p + d * dp_d + b * dp_r;
            SIMD for (size i = 0; i < h; i++) {
                const float r = K[h + i], dr = U[i] * S[i] * r * (1.0f - r);
                P[i] = X[i], P[h + i] = X[h + i] = dr;
                D[i] += U[i] * r;
            }
        }
}

static void softmax(float *e, size n) {
    float top = -INFINITY, sum = 0.0f;
    for (size j = 0; j < n; j++) top = e[j] > top ? e[j] : top;
    for (size j = 0; j < n; j++) sum += e[j] = e[j] == -INFINITY ? 0.0f : exponential(e[j] - top);
    for (size j = 0; j < n; j++) e[j] /= sum;
}

/* weights = softmax over j of padding_j - 2 sum_a v_a / (1 + E_a E_ja); E = e^(2 query), kept, cut at +-limit. */
void additive_forward(int threads, size rows, size source, size a, const float *query, size q_r, const float *keys,
                      const float *v, const float *padding, float limit, float *weights, float *kept) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size b = 0; b < rows; b++) {
        const float *Q = query + b * q_r;
        float *E = kept + b * a, *W = weights + b * source;
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
void additive_backward(int threads, size rows, size source, size a, const float *d_weights, const float *weights,
                       const float *kept, const float *keys, const float *v, float *d_energies, float *d_query,
                       size dq_r, float *d_keys, float *d_v) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size b = 0; b < rows; b++) {
        const float *E = kept + b * a, *W = weights + b * source, *D = d_weights + b * source;
        float *Q = d_query + b * dq_r, *V = d_v + b * a, *G = d_energies + b * source, mean = 0.0f;
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
    }
}

/* to[j][i] = from[i][j], in squares that fit a cache */
void transpose(int threads, size rows, size columns, const float *from, float *to) {
    const size side = 64;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size c = 0; c < columns; c += side) {
        const size end = c + side < columns ? c + side : columns;
        for (size r = 0; r < rows; r += side) {
            const size stop = r + side < rows ? r + side : rows;
            for (size j = c; j < end; j++)
                for (size i = r; i < stop; i++) to[j * rows + i] = from[i * columns + j];
        }
    }
}

/* out = x + sum_j weights_j values_j */
void mix_forward(int threads, size rows, size source, size width, const float *weights, const float *values,
                 const float *x, float *out) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size b = 0; b < rows; b++) {
        const float *W = weights + b * source;
        float *O = out + b * width;
        memcpy(O, x + b * width, width * sizeof(float));
        for (size j = 0; j < source; j++) {
            const float *V = values + (b * source + j) * width, w = W[j];
            SIMD for (size i = 0; i < width; i++) O[i] += w * V[i];
        }
    }
}

/* d_weights_j = d_out . values_j, added to what is there */
void mix_backward(int threads, size rows, size source, size width, const float *d_out, const float *values,
                  float *d_weights) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size b = 0; b < rows; b++) {
        const float *D = d_out + b * width;
        for (size j = 0; j < source; j++) {
            const float *V = values + (b * source + j) * width;
            float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
            for (size i = 0; i < width; i++) sum += D[i] * V[i];
            d_weights[b * source + j] += sum;
        }
    }
}
