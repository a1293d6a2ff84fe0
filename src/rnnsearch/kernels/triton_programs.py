"""The steps of `cells` and `attention` in Triton's language, for a GPU: what native.c is for a CPU, named as there.

A program of the attention has one row, of all its source positions a tile of ``BLOCK_A`` numbers at a time; one of a
cell has ``BLOCK`` numbers of one row. Sums are in single precision, and the numbers of a row lie together. Rows that
may lie apart come as a pointer and the floats from a direction to the next (``_d``) and from a row to the next
(``_r``).
"""

import triton
import triton.language as tl


@triton.jit
def additive_forward(
    query, q_r, keys, v, padding, limit, weights, kept, source, a, BLOCK_S: tl.constexpr, BLOCK_A: tl.constexpr
):
    """weights = softmax over j of padding_j - 2 sum_a v_a / (1 + E_a E_ja); E = e^(2 query), kept, cut at +-limit."""
    b = tl.program_id(0).to(tl.int64)
    j = tl.arange(0, BLOCK_S)
    energies = tl.load(padding + b * source + j, mask=j < source, other=-float("inf"))
    real = energies > -float("inf")
    for first in range(0, a, BLOCK_A):
        i = first + tl.arange(0, BLOCK_A)
        q = tl.load(query + b * q_r + i, mask=i < a, other=0.0)
        E = tl.exp(2.0 * tl.minimum(tl.maximum(q, -limit), limit))
        tl.store(kept + b * a + i, E, mask=i < a)
        tile = real[:, None] & (i < a)[None, :]
        K = tl.load(keys + (b * source + j)[:, None] * a + i[None, :], mask=tile, other=0.0)
        factor = tl.load(v + i, mask=i < a, other=0.0)
        energies -= 2.0 * tl.sum(factor[None, :] / (1.0 + E[None, :] * K), axis=1)
    powers = tl.exp(energies - tl.max(energies, axis=0))
    tl.store(weights + b * source + j, powers / tl.sum(powers, axis=0), mask=j < source)


@triton.jit
def additive_backward(
    d_weights, weights, kept, keys, v, d_energies, d_query, dq_r, source, a,
    BLOCK_S: tl.constexpr, BLOCK_A: tl.constexpr,
):  # fmt: skip
    """d_energies g = alpha (d_alpha - sum_j alpha_j d_alpha_j); d_query = 4 v sum_j g_j (rho - rho^2)."""
    b = tl.program_id(0).to(tl.int64)
    j = tl.arange(0, BLOCK_S)
    w = tl.load(weights + b * source + j, mask=j < source, other=0.0)
    d = tl.load(d_weights + b * source + j, mask=j < source, other=0.0)
    g = w * (d - tl.sum(w * d, axis=0))
    tl.store(d_energies + b * source + j, g, mask=j < source)
    for first in range(0, a, BLOCK_A):
        i = first + tl.arange(0, BLOCK_A)
        E = tl.load(kept + b * a + i, mask=i < a, other=0.0)
        tile = (g != 0.0)[:, None] & (i < a)[None, :]
        K = tl.load(keys + (b * source + j)[:, None] * a + i[None, :], mask=tile, other=0.0)
        rho = 1.0 / (1.0 + E[None, :] * K)
        factor = tl.load(v + i, mask=i < a, other=0.0)
        d_q = 4.0 * factor * tl.sum(g[:, None] * (rho - rho * rho), axis=0)
        tl.store(d_query + b * dq_r + i, d_q, mask=i < a)


@triton.jit
def additive_gradients(
    d_energies, kept, keys, v, d_keys, d_v, steps, rows, source, a, BLOCK_S: tl.constexpr, BLOCK_A: tl.constexpr
):
    """Of all steps: d_keys = 4 v sum_t g_t (rho_t - rho_t^2); d_v = -2 sum_tj g_tj rho_tj, a row for each program."""
    b = tl.program_id(0).to(tl.int64)
    j = tl.program_id(1) * BLOCK_S + tl.arange(0, BLOCK_S)
    i = tl.program_id(2) * BLOCK_A + tl.arange(0, BLOCK_A)
    tile = (j < source)[:, None] & (i < a)[None, :]
    at = (b * source + j)[:, None] * a + i[None, :]
    K = tl.load(keys + at, mask=tile, other=0.0)
    keys_sum = tl.zeros([BLOCK_S, BLOCK_A], tl.float32)
    v_sum = tl.zeros([BLOCK_A], tl.float32)
    for t in range(steps):
        g = tl.load(d_energies + (t * rows + b) * source + j, mask=j < source, other=0.0)
        E = tl.load(kept + (t * rows + b) * a + i, mask=i < a, other=0.0)
        rho = 1.0 / (1.0 + E[None, :] * K)
        part = g[:, None] * rho
        v_sum += tl.sum(part, axis=0)
        keys_sum += part - part * rho
    factor = tl.load(v + i, mask=i < a, other=0.0)
    tl.store(d_keys + at, 4.0 * factor[None, :] * keys_sum, mask=tile)
    tl.store(d_v + (b * tl.num_programs(1) + tl.program_id(1)) * a + i, -2.0 * v_sum, mask=i < a)


@triton.jit
def mix_forward(weights, values, x, x_r, out, source, width, BLOCK_S: tl.constexpr, BLOCK: tl.constexpr):
    """out = x + sum_j weights_j values_j"""
    b = tl.program_id(0).to(tl.int64)
    i = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    total = tl.load(x + b * x_r + i, mask=i < width, other=0.0)
    for first in range(0, source, BLOCK_S):
        j = first + tl.arange(0, BLOCK_S)
        w = tl.load(weights + b * source + j, mask=j < source, other=0.0)
        tile = (w != 0.0)[:, None] & (i < width)[None, :]
        V = tl.load(values + (b * source + j)[:, None] * width + i[None, :], mask=tile, other=0.0)
        total += tl.sum(w[:, None] * V.to(tl.float32), axis=0)
    tl.store(out + b * width + i, total, mask=i < width)


@triton.jit
def mix_backward(d_out, do_r, values, d_weights, source, width, BLOCK_S: tl.constexpr, BLOCK: tl.constexpr):
    """d_weights_j = d_out . values_j, added to what is there"""
    b = tl.program_id(0).to(tl.int64)
    j = tl.program_id(1) * BLOCK_S + tl.arange(0, BLOCK_S)
    total = tl.load(d_weights + b * source + j, mask=j < source, other=0.0)
    for first in range(0, width, BLOCK):
        i = first + tl.arange(0, BLOCK)
        d = tl.load(d_out + b * do_r + i, mask=i < width, other=0.0)
        tile = (j < source)[:, None] & (i < width)[None, :]
        V = tl.load(values + (b * source + j)[:, None] * width + i[None, :], mask=tile, other=0.0)
        total += tl.sum(d[None, :] * V.to(tl.float32), axis=1)
    tl.store(d_weights + b * source + j, total, mask=j < source)


@triton.jit
def sigmoid(x):
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def tanh(x):
    return 1.0 - 2.0 / (1.0 + tl.exp(2.0 * x))


@triton.jit
def place(rows, h, BLOCK: tl.constexpr):
    """Direction, row, numbers within the row, and which of them there are."""
    row = tl.program_id(0).to(tl.int64)
    i = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    return row // rows, row % rows, i, i < h


@triton.jit
def cudnn_forward(
    x, x_d, x_r, p, p_d, p_r, s, s_d, s_r, new, n_d, n_r, kept, k_d, k_r, bias, rows, h, BLOCK: tl.constexpr
):
    """r, z = sigma(x + p); n = tanh(x + r (p + b)); new = (1 - z) n + z s. Keeps r, z, n, p + b."""
    d, b, i, m = place(rows, h, BLOCK)
    X, P = x + d * x_d + b * x_r + i, p + d * p_d + b * p_r + i
    K = kept + d * k_d + b * k_r + i
    r = sigmoid(tl.load(X, mask=m) + tl.load(P, mask=m))
    z = sigmoid(tl.load(X + h, mask=m) + tl.load(P + h, mask=m))
    inner = tl.load(P + 2 * h, mask=m) + tl.load(bias + d * h + i, mask=m)
    n = tanh(tl.load(X + 2 * h, mask=m) + r * inner)
    tl.store(K, r, mask=m)
    tl.store(K + h, z, mask=m)
    tl.store(K + 2 * h, n, mask=m)
    tl.store(K + 3 * h, inner, mask=m)
    tl.store(new + d * n_d + b * n_r + i, n + z * (tl.load(s + d * s_d + b * s_r + i, mask=m) - n), mask=m)


@triton.jit
def cudnn_backward(
    d_s, ds_d, ds_r, s, s_d, s_r, kept, k_d, k_r, d_x, dx_d, dx_r, d_p, dp_d, dp_r, rows, h, BLOCK: tl.constexpr
):
    d, b, i, m = place(rows, h, BLOCK)
    D, K = d_s + d * ds_d + b * ds_r + i, kept + d * k_d + b * k_r + i
    X, P = d_x + d * dx_d + b * dx_r + i, d_p + d * dp_d + b * dp_r + i
    r, z = tl.load(K, mask=m), tl.load(K + h, mask=m)
    n, inner = tl.load(K + 2 * h, mask=m), tl.load(K + 3 * h, mask=m)
    grad, before = tl.load(D, mask=m), tl.load(s + d * s_d + b * s_r + i, mask=m)
    d_n = grad * (1.0 - z) * (1.0 - n * n)
    d_r = d_n * inner * r * (1.0 - r)
    d_z = grad * (before - n) * z * (1.0 - z)
    tl.store(X, d_r, mask=m)
    tl.store(P, d_r, mask=m)
    tl.store(X + h, d_z, mask=m)
    tl.store(P + h, d_z, mask=m)
    tl.store(X + 2 * h, d_n, mask=m)
    tl.store(P + 2 * h, d_n * r, mask=m)
    tl.store(D, grad * z, mask=m)


@triton.jit
def lstm_forward(x, x_d, x_r, p, p_d, p_r, s, s_d, s_r, new, n_d, n_r, kept, k_d, k_r, rows, h, BLOCK: tl.constexpr):
    """i, f, g, o = sigma, sigma, tanh, sigma (x + p); m = f m + i g; new = o tanh(m). Keeps i, f, g, o, tanh(m)."""
    d, b, at, mask = place(rows, h, BLOCK)
    X, P = x + d * x_d + b * x_r + at, p + d * p_d + b * p_r + at
    K, N = kept + d * k_d + b * k_r + at, new + d * n_d + b * n_r + at
    i = sigmoid(tl.load(X, mask=mask) + tl.load(P, mask=mask))
    f = sigmoid(tl.load(X + h, mask=mask) + tl.load(P + h, mask=mask))
    g = tanh(tl.load(X + 2 * h, mask=mask) + tl.load(P + 2 * h, mask=mask))
    o = sigmoid(tl.load(X + 3 * h, mask=mask) + tl.load(P + 3 * h, mask=mask))
    m = f * tl.load(s + d * s_d + b * s_r + h + at, mask=mask) + i * g
    t = tanh(m)
    tl.store(K, i, mask=mask)
    tl.store(K + h, f, mask=mask)
    tl.store(K + 2 * h, g, mask=mask)
    tl.store(K + 3 * h, o, mask=mask)
    tl.store(K + 4 * h, t, mask=mask)
    tl.store(N, o * t, mask=mask)
    tl.store(N + h, m, mask=mask)


@triton.jit
def lstm_backward(
    d_s, ds_d, ds_r, s, s_d, s_r, kept, k_d, k_r, d_x, dx_d, dx_r, d_p, dp_d, dp_r, rows, h, BLOCK: tl.constexpr
):
    d, b, at, mask = place(rows, h, BLOCK)
    D, K = d_s + d * ds_d + b * ds_r + at, kept + d * k_d + b * k_r + at
    X, P = d_x + d * dx_d + b * dx_r + at, d_p + d * dp_d + b * dp_r + at
    i, f, g = tl.load(K, mask=mask), tl.load(K + h, mask=mask), tl.load(K + 2 * h, mask=mask)
    o, t = tl.load(K + 3 * h, mask=mask), tl.load(K + 4 * h, mask=mask)
    grad = tl.load(D, mask=mask)
    d_m = tl.load(D + h, mask=mask) + grad * o * (1.0 - t * t)
    d_i = d_m * g * i * (1.0 - i)
    d_f = d_m * tl.load(s + d * s_d + b * s_r + h + at, mask=mask) * f * (1.0 - f)
    d_g = d_m * i * (1.0 - g * g)
    d_o = grad * t * o * (1.0 - o)
    tl.store(X, d_i, mask=mask)
    tl.store(P, d_i, mask=mask)
    tl.store(X + h, d_f, mask=mask)
    tl.store(P + h, d_f, mask=mask)
    tl.store(X + 2 * h, d_g, mask=mask)
    tl.store(P + 2 * h, d_g, mask=mask)
    tl.store(X + 3 * h, d_o, mask=mask)
    tl.store(P + 3 * h, d_o, mask=mask)
    tl.store(D, tl.zeros_like(grad), mask=mask)
    tl.store(D + h, d_m * f, mask=mask)


@triton.jit
def paper_reset(x, x_d, x_r, p, p_d, p_r, s, s_d, s_r, kept, k_d, k_r, rows, h, BLOCK: tl.constexpr):
    """z, r = sigma(x + p); keeps z, r and r s, which U_c multiplies before paper_update."""
    d, b, i, m = place(rows, h, BLOCK)
    X, P = x + d * x_d + b * x_r + i, p + d * p_d + b * p_r + i
    K = kept + d * k_d + b * k_r + i
    r = sigmoid(tl.load(X + h, mask=m) + tl.load(P + h, mask=m))
    tl.store(K, sigmoid(tl.load(X, mask=m) + tl.load(P, mask=m)), mask=m)
    tl.store(K + h, r, mask=m)
    tl.store(K + 3 * h, r * tl.load(s + d * s_d + b * s_r + i, mask=m), mask=m)


@triton.jit
def paper_update(x, x_d, x_r, u, u_d, u_r, s, s_d, s_r, new, n_d, n_r, kept, k_d, k_r, rows, h, BLOCK: tl.constexpr):
    """c = tanh(x + u), u = U_c (r s); new = (1 - z) s + z c. Keeps c."""
    d, b, i, m = place(rows, h, BLOCK)
    K = kept + d * k_d + b * k_r + i
    before = tl.load(s + d * s_d + b * s_r + i, mask=m)
    c = tanh(tl.load(x + d * x_d + b * x_r + 2 * h + i, mask=m) + tl.load(u + d * u_d + b * u_r + i, mask=m))
    tl.store(K + 2 * h, c, mask=m)
    tl.store(new + d * n_d + b * n_r + i, before + tl.load(K, mask=m) * (c - before), mask=m)


@triton.jit
def paper_update_backward(d_s, ds_d, ds_r, s, s_d, s_r, kept, k_d, k_r, d_x, dx_d, dx_r, rows, h, BLOCK: tl.constexpr):
    """Before the product with U_c: the candidate's and z's gradients; d_s becomes (1 - z) d_s."""
    d, b, i, m = place(rows, h, BLOCK)
    D, K, X = d_s + d * ds_d + b * ds_r + i, kept + d * k_d + b * k_r + i, d_x + d * dx_d + b * dx_r + i
    z, c, grad = tl.load(K, mask=m), tl.load(K + 2 * h, mask=m), tl.load(D, mask=m)
    before = tl.load(s + d * s_d + b * s_r + i, mask=m)
    tl.store(X, grad * (c - before) * z * (1.0 - z), mask=m)
    tl.store(X + 2 * h, grad * z * (1.0 - c * c), mask=m)
    tl.store(D, grad - grad * z, mask=m)


@triton.jit
def paper_reset_backward(
    u, u_d, u_r, d_s, ds_d, ds_r, s, s_d, s_r, kept, k_d, k_r, d_x, dx_d, dx_r, d_p, dp_d, dp_r, rows, h,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """After it: u is the gradient at r s."""
    d, b, i, m = place(rows, h, BLOCK)
    D, K = d_s + d * ds_d + b * ds_r + i, kept + d * k_d + b * k_r + i
    X, P = d_x + d * dx_d + b * dx_r + i, d_p + d * dp_d + b * dp_r + i
    r, through = tl.load(K + h, mask=m), tl.load(u + d * u_d + b * u_r + i, mask=m)
    d_r = through * tl.load(s + d * s_d + b * s_r + i, mask=m) * r * (1.0 - r)
    tl.store(X + h, d_r, mask=m)
    tl.store(P, tl.load(X, mask=m), mask=m)
    tl.store(P + h, d_r, mask=m)
    tl.store(D, tl.load(D, mask=m) + through * r, mask=m)
