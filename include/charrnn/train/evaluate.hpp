#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <utility>

#include <charrnn/core/machine.hpp>
#include <charrnn/core/threads.hpp>
#include <charrnn/data/batch.hpp>
#include <charrnn/nn/runner.hpp>

namespace charrnn {

namespace detail {

/// The loss over windows 0 to count - 1 of a source from a zero state: the sum over all of them, or the mean of the
/// last one alone.
template <class M, class S>
double run_windows(const M& model, const S& source, std::size_t count, bool last_alone, std::size_t threads,
                   const std::function<bool()>& stop = {}) {
    using T = typename M::value_type;
    const std::size_t lanes = source.lanes();
    const std::size_t groups = std::min(lanes, threads_for(threads));
    const BlasThreads one;
    Team team(groups);
    Runner<T> runner(model, Plan{.extent = {source.window(), lanes}, .groups = groups});
    State<T> state = model.zero_state(lanes);
    Batch batch;
    bool first = true;
    double total = 0;
    std::size_t targets = 0;
    runner.prepare();
    for (std::size_t w = 0; w < count; ++w) {
        source.fill(w, batch);
        if (batch.count == 0) continue;
        if (stop && stop()) return std::numeric_limits<double>::quiet_NaN();
        if (!batch.begins.empty() && std::exchange(first, false)) runner.allow_begins();
        runner.load(state);
        const Context context{.begins = batch.begins.empty() ? nullptr : batch.begins.data()};
        team.run([&](std::size_t g) {
            const Lanes group = Lanes::of(lanes, g, groups);
            runner.forward({batch.inputs.data(), {}}, context, batch.steps, group);
            runner.loss(batch.targets.data(), batch.valid.data(), batch.steps, group, nullptr,
                        batch.from.empty() ? nullptr : batch.from.data());
        });
        runner.store(state, batch.steps);
        if (last_alone) total = 0, targets = 0;
        total += runner.total_loss(batch.steps);
        targets += batch.count;
    }
    return targets == 0 ? 0 : total / static_cast<double>(targets);
}

}  // namespace detail

/// The mean loss of a model over a source, from a zero state: nats a character. Nothing of the model or of a
/// training run is changed. `stop` is asked before each window: once it says yes, the result is NaN. `threads` 0: one a
/// processor; the result does not depend on it. A source in which no target counts gives 0.
/// Errors: shape_error where the model and the source have alphabets of different sizes.
template <SequenceModel M, BatchSource S>
double evaluate(const M& model, const S& source, std::size_t threads = 0,
                const std::function<bool()>& stop = {}) {
    detail::check_alphabet(model, source.alphabet_size());
    return detail::run_windows(model, source, source.windows(), false, threads, stop);
}

/// The probe of the Flux examples, made repeatable: from a zero state through the first `windows` windows, the mean
/// loss of the last of them, nats a character. Errors as evaluate; value_error for no windows.
template <SequenceModel M, BatchSource S>
double probe(const M& model, const S& source, std::size_t windows = 5, std::size_t threads = 0) {
    detail::check_alphabet(model, source.alphabet_size());
    if (windows == 0) throw value_error("probe: windows is 0, expected at least 1");
    return detail::run_windows(model, source, std::min(windows, source.windows()), true, threads);
}

}  // namespace charrnn
