#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <charrnn/core/format.hpp>
#include <charrnn/core/machine.hpp>
#include <charrnn/io/metadata.hpp>
#include <charrnn/io/model_file.hpp>
#include <charrnn/train/csv_log.hpp>
#include <charrnn/train/fingerprint.hpp>
#include <charrnn/train/trainer.hpp>

#include <charrnn/core/once.hpp>

/// @file
/// A training run in a file: a model's file with all that the run consists of, so that another process goes on with
/// it, to the same bits.

namespace charrnn {

/// What a program keeps with a run that the trainer does not know.
struct RunExtra {
    std::optional<double> best_loss{};           ///< the best validation loss so far, nats a character
    std::uint64_t best_step = 0;                 ///< where it was measured
    std::optional<LogMark> log{};                ///< where the log stands
    std::map<std::string, std::string> notes{};  ///< the program's own
};

/// What resume found.
struct Resumed {
    std::vector<std::string>
        differences;  ///< what is not as it was when the run was saved, one sentence each
    RunExtra extra;   ///< what save_run was given beside the run
};

namespace detail {

/// An optimiser without its learning rate, which the run carries: "adam, beta1 0.90000000000000002, ...".
template <class O>
std::string optimiser_text(const O& optimiser) {
    if constexpr (requires { optimiser.settings(); }) {
        std::string text = O::short_name;
        for (const auto& [name, value] : optimiser.settings())
            text += ", " + std::string(name) + " " + exact(value);
        return text;
    } else {
        return printed(optimiser);
    }
}

/// What decides a run's results beside its model, optimiser and data, and the machine that it is on.
std::map<std::string, std::string> settings_text(const TrainerOptions& o);

/// The optimiser's arrays with their names and shapes: train.slot0.layers.0.cell.Wi, ...
template <class Tr>
std::vector<TensorSource> run_tensors(const Tr& trainer) {
    using T = typename Tr::T;
    std::vector<TensorSource> list;
    const auto parameters = read_only_parameters(trainer.model());
    const RunState<T>& state = trainer.state();
    const std::size_t slots = parameters.empty() ? 0 : state.slots.size() / parameters.size();
    for (std::size_t k = 0; k < slots; ++k)
        for (std::size_t i = 0; i < parameters.size(); ++i)
            list.push_back(TensorSource::of("train.slot" + std::to_string(k) + "." + parameters[i].name,
                                            parameters[i].shape, state.slots[i * slots + k].data(),
                                            parameters[i].size));
    for (std::size_t i = 0; i < state.recurrent.size(); ++i)
        for (std::size_t p = 0; p < state.recurrent[i].size(); ++p) {
            const Matrix<T>& m = state.recurrent[i][p];
            list.push_back(TensorSource::of("train.state." + std::to_string(i) + "." + std::to_string(p),
                                            {m.shape(0), m.shape(1)}, m.data(), m.size()));
        }
    return list;
}

/// That an alphabet is the one of a file. Errors: data_error, naming the first character that is another
void check_same_alphabet(const TensorFile& file, const Alphabet& here);

/// The schedule, and its factor at the run's next step: two of a program's own may well have the same name.
std::string schedule_text(const Schedule& schedule, std::uint64_t step, std::size_t steps_in_epoch);

/// Whether two such texts mean the same. Another compiler's cosine may differ in its last digit.
bool same_schedule(const std::string& one, const std::string& other);

void describe_extra(const RunExtra& extra, std::map<std::string, std::string>& metadata);

RunExtra load_extra(const TensorFile& file);

/// What is another way than the file says, one sentence each.
std::vector<std::string> differences(const TensorFile& file, const TrainerOptions& options);

}  // namespace detail

/// What a program must know before it can make the trainer to resume with: the notes, and how far the run is.
/// Errors: data_error if the file has no run
RunExtra read_run_extra(const TensorFile& file);

/// The bytes of a checkpoint: the model with its alphabet, and the run.
/// Errors: as save; numeric_error too where the optimiser's numbers or the state are not finite
template <class M, class O, class S>
std::string run_bytes(const Trainer<M, O, S>& trainer, const Alphabet& alphabet, const RunExtra& extra = {}) {
    using T = typename M::value_type;
    detail::ModelImage image = detail::model_image(trainer.model(), alphabet);
    for (const TensorSource& t : detail::run_tensors(trainer)) {
        detail::check_finite(static_cast<const T*>(t.data), t.bytes / sizeof(T), t.name);
        image.tensors.push_back(t);
    }
    const RunState<T>& state = trainer.state();
    auto& m = image.metadata;
    m.merge(detail::settings_text(trainer.options()));
    m["train.step"] = std::to_string(state.step);
    m["train.epoch"] = std::to_string(state.epoch);
    m["train.window"] = std::to_string(state.window);
    m["train.characters"] = std::to_string(state.characters);
    m["train.seconds"] = detail::exact(state.seconds);
    m["train.lr"] = detail::exact(state.lr);
    m["train.schedule"] = detail::schedule_text(trainer.options().schedule, state.step - state.schedule_start,
                                                trainer.source().windows());
    m["train.schedule_start"] = std::to_string(state.schedule_start);
    m["train.optimiser"] = detail::optimiser_text(trainer.optimiser());
    m["train.source"] = trainer.source_fingerprint();
    detail::describe_extra(extra, m);
    return tensor_file_bytes(image.tensors, m);
}

/// Save a run: a model's file (load_model reads it) that resume can go on from. All or nothing: see write_atomically.
/// Errors: io_error; as run_bytes. The file is then as it was, and the run can go on.
template <class M, class O, class S>
void save_run(const std::string& path, const Trainer<M, O, S>& trainer, const Alphabet& alphabet,
              const RunExtra& extra = {}, FileSystem& files = FileSystem::real()) {
    write_atomically(path, run_bytes(trainer, alphabet, extra), files);
}

/// Go on with a saved run: the trainer, made with the same model, optimiser and data, and its model become what they
/// were, and what follows is the same to the bit as if the run had never stopped. Where the machine or a setting is
/// another one, the result says so, one sentence each, and the run goes on all the same: with the trainer's settings, but
/// with the learning rate of the file, which set_lr changes.
///
/// Errors: io_error; data_error, naming the file and what differs, for another model, optimiser or text, and for a file
///         that is not as it must be; numeric_error for numbers that are not finite. Nothing is changed then.
template <class M, class O, class S>
Resumed resume(const TensorFile& file, Trainer<M, O, S>& trainer) {
    using T = typename M::value_type;
    const RunExtra extra = read_run_extra(file);
    const detail::MetadataReader read(file);
    const auto expect = [&](const char* key, const std::string& here, const char* what) {
        if (read.text(key) != here)
            throw data_error(file.name() + ": the run is one with another " + what + ": " + read.text(key) +
                             ", expected " + here);
    };
    expect("train.optimiser", detail::optimiser_text(trainer.optimiser()), "optimiser");
    expect("train.source", trainer.source_fingerprint(), "text or batches");
    auto differences = detail::differences(file, trainer.options());

    RunState<T> state = trainer.state();
    state.step = read.count("train.step");
    state.epoch = read.count("train.epoch");
    state.window = static_cast<std::size_t>(read.count("train.window"));
    state.characters = read.count("train.characters");
    state.seconds = read.real("train.seconds");
    state.lr = read.real("train.lr");
    state.schedule_start =
        read.find("train.schedule_start") != nullptr ? read.count("train.schedule_start") : 0;
    if (state.lr <= 0) throw data_error(file.name() + ": the learning rate is not positive");
    if (state.lr != trainer.state().lr)
        differences.push_back("the learning rate: " + detail::shortest(state.lr) +
                              " when the run was saved, which holds; the trainer was made with " +
                              detail::shortest(trainer.state().lr));
    if (state.schedule_start > state.step)
        throw data_error(file.name() + ": the schedule is said to begin at step " +
                         std::to_string(state.schedule_start) + ", but the run is at step " +
                         std::to_string(state.step));
    if (const std::string* before = read.find("train.schedule"); before != nullptr) {
        const std::string now = detail::schedule_text(
            trainer.options().schedule, state.step - state.schedule_start, trainer.source().windows());
        if (!detail::same_schedule(*before, now))
            differences.push_back("the schedule: " + *before + " when the run was saved, " + now + " now");
    }
    // The names and shapes are the trainer's, the numbers the file's.
    const auto parameters = trainer.model().parameters();
    const std::size_t slots = O::slots;
    const auto load = [&](const std::string& name, const std::vector<std::size_t>& shape, T* to) {
        file.copy(name, shape, to);
        detail::check_finite<T>(file, name);
    };
    for (std::size_t k = 0; k < slots; ++k)
        for (std::size_t i = 0; i < parameters.size(); ++i)
            load("train.slot" + std::to_string(k) + "." + parameters[i].name, parameters[i].shape,
                 state.slots[i * slots + k].data());
    for (std::size_t i = 0; i < state.recurrent.size(); ++i)
        for (std::size_t p = 0; p < state.recurrent[i].size(); ++p) {
            Matrix<T>& m = state.recurrent[i][p];
            load("train.state." + std::to_string(i) + "." + std::to_string(p), {m.shape(0), m.shape(1)},
                 m.data());
        }
    if (state.window >= trainer.source().windows())
        throw data_error(file.name() + ": the run is at window " + std::to_string(state.window) + " of " +
                         std::to_string(trainer.source().windows()));
    load_parameters(file, trainer.model());
    trainer.restore(std::move(state));
    return {std::move(differences), extra};
}
/// The same of a file by its name.
template <class M, class O, class S>
Resumed resume(const std::string& path, Trainer<M, O, S>& trainer) {
    return resume(TensorFile::read(path), trainer);
}
/// The same where the text was encoded with an alphabet of its own, not with the one that load_model gave: the file's
/// must have the same characters. Errors: as above; data_error, naming the first character that is another
template <class M, class O, class S>
Resumed resume(const std::string& path, Trainer<M, O, S>& trainer, const Alphabet& alphabet) {
    const TensorFile file = TensorFile::read(path);
    detail::check_same_alphabet(file, alphabet);
    return resume(file, trainer);
}

}  // namespace charrnn

#ifdef CHARRNN_ONCE
namespace charrnn {

namespace detail {

CHARRNN_ONCE std::map<std::string, std::string> settings_text(const TrainerOptions& o) {
    std::string rates;
    for (const double rate : o.rates) {
        if (!rates.empty()) rates += ' ';
        rates += exact(rate);
    }
    std::string ties;
    for (const Tie& tie : o.ties) ties += (ties.empty() ? "" : ", ") + tie.first + " = " + tie.second;
    return {{"train.ties", ties},
            {"train.clip", exact(o.clip)},
            {"train.clip_value", exact(o.clip_value)},
            {"train.rates", rates},
            {"train.decay", exact(o.decay)},
            {"train.truncate", std::to_string(o.truncate)},
            {"train.seed", std::to_string(o.seed)},
            {"train.slices", std::to_string(o.slices)},
            {"train.threads", std::to_string(o.threads)},
            {"train.simd", std::string(name(simd::level()))},
            {"train.blas", blas_name()},
            {"version", version()}};
}

CHARRNN_ONCE void check_same_alphabet(const TensorFile& file, const Alphabet& here) {
    const Alphabet saved = load_alphabet(file);
    const auto symbol = [](const Alphabet& a, std::size_t id) {
        return id < a.size() ? printable(a.symbol(static_cast<std::uint32_t>(id)), a.encoding()) : "none";
    };
    if (saved.encoding() != here.encoding())
        throw data_error(file.name() + ": the run's alphabet is one of " +
                         (saved.encoding() == Encoding::bytes ? "bytes, expected code points"
                                                              : "code points, expected bytes"));
    for (std::size_t id = 0; id < std::max(saved.size(), here.size()); ++id)
        if (symbol(saved, id) != symbol(here, id))
            throw data_error(file.name() + ": the run has another alphabet: its character " +
                             std::to_string(id) + " is " + symbol(saved, id) + ", expected " +
                             symbol(here, id));
    if (!(saved == here)) throw data_error(file.name() + ": the run's alphabet has another stop symbol");
}

CHARRNN_ONCE std::string schedule_text(const Schedule& schedule, std::uint64_t step,
                                       std::size_t steps_in_epoch) {
    return printed(schedule) + ", " + shortest(schedule(step, steps_in_epoch)) + " at its step " +
           std::to_string(step);
}

CHARRNN_ONCE bool same_schedule(const std::string& one, const std::string& other) {
    if (one == other) return true;
    const auto split = [](const std::string& text) {
        const std::size_t factor = text.rfind(", ") + 2;  // npos + 2 is 1: then the texts are not alike
        const std::size_t end = text.find(" at its step", std::min(factor, text.size()));
        return std::array<std::size_t, 2>{std::min(factor, text.size()), std::min(end, text.size())};
    };
    const auto a = split(one), b = split(other);
    if (one.compare(0, a[0], other, 0, b[0]) != 0 ||
        one.compare(a[1], std::string::npos, other, b[1], std::string::npos) != 0)
        return false;
    const auto x = parsed_number(one.substr(a[0], a[1] - a[0]));
    const auto y = parsed_number(other.substr(b[0], b[1] - b[0]));
    return x && y && std::abs(*x - *y) <= 1e-12 * std::max(std::abs(*x), std::abs(*y));
}

CHARRNN_ONCE void describe_extra(const RunExtra& extra, std::map<std::string, std::string>& metadata) {
    if (extra.best_loss && std::isfinite(*extra.best_loss)) {
        metadata["train.best_loss"] = exact(*extra.best_loss);
        metadata["train.best_step"] = std::to_string(extra.best_step);
    }
    if (extra.log) {
        metadata["train.log.bytes"] = std::to_string(extra.log->bytes);
        metadata["train.log.row"] = extra.log->row;
    }
    for (const auto& [key, value] : extra.notes) metadata["notes." + key] = value;
}

CHARRNN_ONCE RunExtra load_extra(const TensorFile& file) {
    const MetadataReader read(file);
    RunExtra extra;
    // Versions before wrote "nan" where a validation had been asked to stop.
    if (const std::string* best = read.find("train.best_loss");
        best != nullptr && std::isfinite(parsed_number(*best).value_or(0))) {
        extra.best_loss = read.real("train.best_loss");
        extra.best_step = read.count("train.best_step");
    }
    if (read.find("train.log.bytes") != nullptr)
        extra.log = LogMark{read.count("train.log.bytes"), read.text("train.log.row")};
    for (const auto& [key, value] : file.metadata())
        if (key.compare(0, 6, "notes.") == 0) extra.notes[key.substr(6)] = value;
    return extra;
}

CHARRNN_ONCE std::vector<std::string> differences(const TensorFile& file, const TrainerOptions& options) {
    static const std::map<std::string, std::string> names{
        {"train.clip", "the gradient's greatest norm"},
        {"train.clip_value", "the gradient's greatest number"},
        {"train.rates", "the layers' rates"},
        {"train.ties", "the parameters that are one"},
        {"train.decay", "the learning rate's decay"},
        {"train.truncate", "the truncation of gradients"},
        {"train.seed", "the seed"},
        {"train.slices", "the number of slices"},
        {"train.threads", "the number of threads"},
        {"train.simd", "the vector instructions"},
        {"train.blas", "the BLAS"},
        {"version", "the version of charrnn"}};
    std::vector<std::string> list;
    const MetadataReader read(file);
    for (const auto& [key, now] : settings_text(options)) {
        // What a file does not name was not there when it was written, and so had its default.
        static const auto defaults = settings_text({});
        const std::string& before = read.find(key) != nullptr ? read.text(key) : defaults.at(key);
        if (before != now)
            list.push_back(names.at(key) + ": " + before + " when the run was saved, " + now + " now");
    }
    return list;
}

}  // namespace detail

CHARRNN_ONCE RunExtra read_run_extra(const TensorFile& file) {
    const detail::MetadataReader read(file);
    if (read.find("train.step") == nullptr)
        throw data_error(file.name() +
                         ": there is no training run in it, only a model: begin a new run with it");
    return detail::load_extra(file);
}

}  // namespace charrnn
#endif
