#include "naive.hpp"

#include <cmath>

namespace naive {

namespace {

double activate(const charrnn::Activation& f, double x) {
    using Kind = charrnn::Activation::Kind;
    switch (f.kind) {
        case Kind::tanh:
            return std::tanh(x);
        case Kind::sigmoid:
            return sigmoid(x);
        case Kind::relu:
            return x > 0 ? x : 0;
        case Kind::custom:
            return f.value(x);
        case Kind::identity:
            break;
    }
    return x;
}

double slope(const charrnn::Activation& f, double x) {
    using Kind = charrnn::Activation::Kind;
    switch (f.kind) {
        case Kind::tanh:
            return 1 - std::tanh(x) * std::tanh(x);
        case Kind::sigmoid:
            return sigmoid(x) * (1 - sigmoid(x));
        case Kind::relu:
            return x > 0 ? 1 : 0;
        case Kind::custom:
            return f.slope(x, f.value(x));
        case Kind::identity:
            break;
    }
    return 1;
}

bool begins(const Window& w, std::size_t row) { return !w.begins.empty() && w.begins[row] != 0; }

}  // namespace

Arrays dense(std::size_t D, std::size_t K, const Numbers& W, const Numbers& b, const charrnn::Activation& f,
             const Window& w) {
    const std::size_t rows = w.steps * w.lanes;
    Arrays a{{"y", Numbers(rows * K)}, {"x", Numbers(rows * D)}, {"W", Numbers(D * K)}, {"b", Numbers(K)}};
    Numbers &y = a["y"], &d_x = a["x"], &d_W = a["W"], &d_b = a["b"];
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t k = 0; k < K; ++k) {
            double pre = b[k];
            for (std::size_t i = 0; i < D; ++i) pre += w.x[r * D + i] * W[i * K + k];
            y[r * K + k] = activate(f, pre);
            const double d = w.d_y[r * K + k] * slope(f, pre);
            d_b[k] += d;
            for (std::size_t i = 0; i < D; ++i) {
                d_W[i * K + k] += w.x[r * D + i] * d;
                d_x[r * D + i] += W[i * K + k] * d;
            }
        }
    return a;
}

Arrays Recurrent::run(const Window& w) const {
    const std::size_t G = lstm ? 4 * H : H, N = w.lanes, T = w.steps, parts = lstm ? 2 : 1;
    Numbers y(T * N * H), pre(T * N * G);
    // before[t] and after[t] are the state around step t, parts side by side.
    std::vector<Numbers> before(T, Numbers(N * parts * H)), after = before;
    const auto at = [&](std::size_t n, std::size_t part, std::size_t j) {
        return (n * parts + part) * H + j;
    };
    for (std::size_t t = 0; t < T; ++t)
        for (std::size_t n = 0; n < N; ++n) {
            const std::size_t r = t * N + n;
            for (std::size_t p = 0; p < parts; ++p)
                for (std::size_t j = 0; j < H; ++j)
                    before[t][at(n, p, j)] = begins(w, r) ? 0
                                             : t > 0      ? after[t - 1][at(n, p, j)]
                                                          : w.state[p][n * H + j];
            for (std::size_t g = 0; g < G; ++g) {
                double sum = b[g];
                for (std::size_t i = 0; i < D; ++i) sum += w.x[r * D + i] * Wi[i * G + g];
                for (std::size_t j = 0; j < H; ++j) sum += before[t][at(n, 0, j)] * Wh[j * G + g];
                pre[r * G + g] = sum;
            }
            for (std::size_t j = 0; j < H; ++j) {
                const double* g = &pre[r * G + j];
                if (lstm) {
                    const double c =
                        sigmoid(g[H]) * before[t][at(n, 1, j)] + sigmoid(g[0]) * std::tanh(g[2 * H]);
                    after[t][at(n, 1, j)] = c;
                    after[t][at(n, 0, j)] = sigmoid(g[3 * H]) * std::tanh(c);
                } else {
                    after[t][at(n, 0, j)] = activate(f, g[0]);
                }
                y[r * H + j] = after[t][at(n, 0, j)];
            }
        }

    Numbers d_x(T * N * D), d_Wi(D * G), d_Wh(H * G), d_b(G), carry(N * parts * H);
    for (std::size_t t = T; t-- > 0;) {
        if (w.truncate > 0 && (t + 1) % w.truncate == 0 && t + 1 < T) carry.assign(carry.size(), 0);
        for (std::size_t n = 0; n < N; ++n) {
            const std::size_t r = t * N + n;
            Numbers d_pre(G), d_before(parts * H);
            for (std::size_t j = 0; j < H; ++j) {
                const double* g = &pre[r * G + j];
                const double d_h = carry[at(n, 0, j)] + w.d_y[r * H + j];
                if (lstm) {
                    const double i = sigmoid(g[0]), o = sigmoid(g[3 * H]), z = std::tanh(g[2 * H]);
                    const double keep = sigmoid(g[H]), c = std::tanh(after[t][at(n, 1, j)]);
                    const double d_c = carry[at(n, 1, j)] + d_h * o * (1 - c * c);
                    d_pre[j] = d_c * z * i * (1 - i);
                    d_pre[H + j] = d_c * before[t][at(n, 1, j)] * keep * (1 - keep);
                    d_pre[2 * H + j] = d_c * i * (1 - z * z);
                    d_pre[3 * H + j] = d_h * c * o * (1 - o);
                    d_before[H + j] = d_c * keep;
                } else {
                    d_pre[j] = d_h * slope(f, g[0]);
                }
            }
            for (std::size_t g = 0; g < G; ++g) {
                d_b[g] += d_pre[g];
                for (std::size_t i = 0; i < D; ++i) {
                    d_Wi[i * G + g] += w.x[r * D + i] * d_pre[g];
                    d_x[r * D + i] += Wi[i * G + g] * d_pre[g];
                }
                for (std::size_t j = 0; j < H; ++j) {
                    d_Wh[j * G + g] += before[t][at(n, 0, j)] * d_pre[g];
                    d_before[j] += Wh[j * G + g] * d_pre[g];
                }
            }
            for (std::size_t k = 0; k < parts * H; ++k)
                carry[n * parts * H + k] = begins(w, r) ? 0 : d_before[k];
        }
    }

    Arrays a{{"y", y}, {"x", d_x}, {"Wi", d_Wi}, {"Wh", d_Wh}, {"b", d_b}};
    for (std::size_t p = 0; p < parts; ++p) {
        Numbers& last = a["after." + std::to_string(p)];
        Numbers& first = a["before." + std::to_string(p)];
        for (std::size_t n = 0; n < N; ++n)
            for (std::size_t j = 0; j < H; ++j) {
                last.push_back(after[T - 1][at(n, p, j)]);
                first.push_back(carry[at(n, p, j)]);
            }
    }
    return a;
}

Arrays Gru::run(const Window& w) const {
    const std::size_t G = 3 * H, N = w.lanes, T = w.steps, B = b.size();
    Arrays a{{"y", Numbers(T * N * H)},   {"x", Numbers(T * N * D)}, {"Wi", Numbers(D * G)},
             {"Wh", Numbers(H * G)},      {"b", Numbers(B)},         {"after.0", w.state[0]},
             {"before.0", Numbers(N * H)}};
    Numbers &y = a["y"], &d_x = a["x"], &d_Wi = a["Wi"], &d_Wh = a["Wh"], &d_b = a["b"];
    // Lane by lane: one stream's formulas, then its gradients.
    for (std::size_t lane = 0; lane < N; ++lane) {
        std::vector<Numbers> h(T + 1, Numbers(H)), r(T, Numbers(H)), z = r, n = r, hidden = r;
        for (std::size_t j = 0; j < H; ++j) h[0][j] = w.state[0][lane * H + j];
        for (std::size_t t = 0; t < T; ++t) {
            const double* x = &w.x[(t * N + lane) * D];
            for (std::size_t j = 0; j < H; ++j) {
                double in[3] = {b[j], b[H + j], b[2 * H + j]};
                for (std::size_t k = 0; k < 3; ++k) {
                    for (std::size_t i = 0; i < D; ++i) in[k] += x[i] * Wi[i * G + k * H + j];
                    for (std::size_t i = 0; i < H && k < 2; ++i) in[k] += h[t][i] * Wh[i * G + k * H + j];
                }
                r[t][j] = sigmoid(in[0]), z[t][j] = sigmoid(in[1]), n[t][j] = in[2];
            }
            for (std::size_t j = 0; j < H; ++j) {
                hidden[t][j] = reset_before ? 0 : b[3 * H + j];
                for (std::size_t i = 0; i < H; ++i)
                    hidden[t][j] += (reset_before ? r[t][i] : 1) * h[t][i] * Wh[i * G + 2 * H + j];
                n[t][j] = std::tanh(n[t][j] + (reset_before ? 1 : r[t][j]) * hidden[t][j]);
                h[t + 1][j] = (1 - z[t][j]) * n[t][j] + z[t][j] * h[t][j];
                y[(t * N + lane) * H + j] = h[t + 1][j];
            }
        }
        Numbers carry(H);
        for (std::size_t t = T; t-- > 0;) {
            if (w.truncate > 0 && (t + 1) % w.truncate == 0 && t + 1 < T) carry.assign(H, 0);
            const double* x = &w.x[(t * N + lane) * D];
            Numbers d_before(H), d_r(H), d_pre(G), d_hidden(H);
            for (std::size_t j = 0; j < H; ++j) {
                const double d = carry[j] + w.d_y[(t * N + lane) * H + j];
                d_before[j] = d * z[t][j];
                d_pre[H + j] = d * (h[t][j] - n[t][j]) * z[t][j] * (1 - z[t][j]);
                d_pre[2 * H + j] = d * (1 - z[t][j]) * (1 - n[t][j] * n[t][j]);
                d_hidden[j] = d_pre[2 * H + j] * (reset_before ? 1 : r[t][j]);
                if (!reset_before) d_r[j] = d_pre[2 * H + j] * hidden[t][j], d_b[3 * H + j] += d_hidden[j];
            }
            for (std::size_t i = 0; i < H; ++i)
                for (std::size_t j = 0; j < H; ++j) {
                    const double back = d_hidden[j] * Wh[i * G + 2 * H + j];
                    if (reset_before) d_r[i] += back * h[t][i];
                    d_before[i] += back * (reset_before ? r[t][i] : 1);
                    d_Wh[i * G + 2 * H + j] += d_hidden[j] * h[t][i] * (reset_before ? r[t][i] : 1);
                }
            for (std::size_t j = 0; j < H; ++j) d_pre[j] = d_r[j] * r[t][j] * (1 - r[t][j]);
            for (std::size_t g = 0; g < G; ++g) {
                d_b[g] += d_pre[g];
                for (std::size_t i = 0; i < D; ++i) {
                    d_Wi[i * G + g] += x[i] * d_pre[g];
                    d_x[(t * N + lane) * D + i] += Wi[i * G + g] * d_pre[g];
                }
                for (std::size_t i = 0; i < H && g < 2 * H; ++i) {
                    d_Wh[i * G + g] += h[t][i] * d_pre[g];
                    d_before[i] += Wh[i * G + g] * d_pre[g];
                }
            }
            carry = d_before;
        }
        for (std::size_t j = 0; j < H; ++j) {
            a["after.0"][lane * H + j] = h[T][j];
            a["before.0"][lane * H + j] = carry[j];
        }
    }
    return a;
}

}  // namespace naive
