#pragma once

// What the programs' command lines share: options that belong to a run are saved with it, and hold when it goes on.

#include <CLI/CLI.hpp>
#include <cerrno>
#include <charrnn/charrnn.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <unistd.h>

struct RunSettings {
    std::map<std::string, std::string> all;  ///< to be saved as the run's notes
    std::set<std::string> changed;           ///< given another value than the run that goes on had
};

/// Whether two values of an option are one: 0.1 and 0.10.
inline bool same_value(const std::string& a, const std::string& b) {
    char *end_a = nullptr, *end_b = nullptr;
    const double x = std::strtod(a.c_str(), &end_a), y = std::strtod(b.c_str(), &end_b);
    return a == b || (x == y && !a.empty() && !b.empty() && *end_a == '\0' && *end_b == '\0');
}

/// The values of options: `model` makes the model and cannot change while the run goes on, `others` can. Where `resume`
/// names a file, its run's values hold for options that are not given. A run that began with another file's model has
/// no values of those that make one.
/// Errors: value_error, naming the option, for another model than the run's
inline RunSettings run_settings(CLI::App& app, const std::vector<std::string>& model,
                                const std::vector<std::string>& others, const std::string& resume) {
    std::map<std::string, std::string> saved;
    if (!resume.empty()) saved = charrnn::read_run_extra(charrnn::TensorFile::read(resume)).notes;
    RunSettings settings;
    const auto take = [&](const std::string& name, bool may_change) {
        CLI::Option* option = app.get_option(name);
        const auto note = saved.find(name);
        if (!resume.empty() && !may_change && note == saved.end()) {
            if (option->count() == 0) return;
            throw charrnn::value_error(name + ": the run in " + resume +
                                       " began with another file's model, which cannot change");
        }
        if (note != saved.end() && option->count() == 0) {
            option->add_result(note->second);
            option->run_callback();
        }
        const std::string value = option->count() > 0 ? option->results().front() : option->get_default_str();
        if (note != saved.end() && !same_value(value, note->second)) {
            if (!may_change)
                throw charrnn::value_error(
                    name + " " + value + ": the run in " + resume + " has " + note->second +
                    ", and its model cannot change; --init-from begins a new run with old weights");
            settings.changed.insert(name);
        }
        if (!value.empty()) settings.all[name] = value;
    };
    for (const std::string& name : model) take(name, false);
    for (const std::string& name : others) take(name, true);
    return settings;
}

/// Another learning rate than the saved run's, and the sentence that says so.
template <class Trainer>
void change_lr(double lr, Trainer& trainer, charrnn::Resumed& resumed) {
    std::ostringstream change;
    change << "the learning rate: " << trainer.state().lr << " when the run was saved, " << lr << " now";
    std::erase_if(resumed.differences,
                  [](const std::string& d) { return d.starts_with("the learning rate:"); });
    resumed.differences.push_back(change.str());
    trainer.set_lr(lr);
}

/// The note of a run's file that says at which step the held-out part was measured last.
inline constexpr const char* measured_at = "held out measured at step";

/// What that note is when a run begins, or goes on: nothing for a file from before there was one.
inline void begin_to_measure(charrnn::RunExtra& extra, const std::optional<charrnn::Resumed>& resumed) {
    if (!resumed) {
        extra.notes[measured_at] = "0";
    } else if (const auto note = resumed->extra.notes.find(measured_at); note != resumed->extra.notes.end()) {
        extra.notes.insert(*note);
    }
}

/// Whether a run that goes on was interrupted while the held-out part was measured at the end of an epoch, which is then
/// still to be done.
inline bool left_to_measure(const charrnn::Resumed& resumed, const charrnn::Progress& p) {
    const auto note = resumed.extra.notes.find(measured_at);
    return p.step > 0 && p.window == 0 && note != resumed.extra.notes.end() &&
           note->second != std::to_string(p.step);
}

/// "500": that many steps. "30s", "5m", "1h": that long.
inline charrnn::SaveInterval save_interval(const std::string& text) {
    std::size_t end = 0;
    double n = 0;
    try {
        n = std::stod(text, &end);
    } catch (const std::exception&) {
        end = 0;
    }
    const std::string unit = text.substr(end);
    if (end > 0 && n > 0 && n < 1e9) {
        if (unit.empty() && n >= 1) return {.steps = static_cast<std::uint64_t>(n), .seconds = 0};
        if (unit == "s") return {.steps = 0, .seconds = n};
        if (unit == "m") return {.steps = 0, .seconds = 60 * n};
        if (unit == "h") return {.steps = 0, .seconds = 3600 * n};
    }
    throw charrnn::value_error("--every " + text + ": expected a number of steps, or a time: 30s, 5m, 1h");
}

/// How many lanes a held-out part of so many characters is read in: as many as are asked for, or fewer where it is short.
/// With L (L + 1) characters or more the last of L lanes has something to predict.
inline std::size_t lanes_for(std::size_t characters, std::size_t lanes) {
    while (lanes > 1 && characters / lanes < lanes + 1) --lanes;
    return lanes;
}

/// A number from `least` to `most`; without `most` any number that is finite.
inline CLI::Validator number_from(double least, double most = std::numeric_limits<double>::max()) {
    return CLI::Validator(
        [least, most](const std::string& text) {
            char* end = nullptr;
            const double x = std::strtod(text.c_str(), &end);
            if (!text.empty() && *end == '\0' && x >= least && x <= most) return std::string();
            std::ostringstream sentence;
            sentence << "is " << text << ", expected a number from " << least << " on";
            if (most < std::numeric_limits<double>::max()) sentence << " to " << most;
            return sentence.str();
        },
        "NUMBER", "");
}

/// An option that was given has something to say: it holds only where another one has this value.
/// Errors: value_error, naming both
inline void check_holds(const std::string& name, bool given, const std::string& other,
                        const std::string& value, const std::string& now) {
    if (given && now != value)
        throw charrnn::value_error(name + ": holds only with " + other + " " + value + ", and it is " + now);
}

/// That what is written goes neither to where the text is, nor twice to one place. Empty paths are none.
/// Errors: value_error, naming both
inline void check_apart(const std::vector<std::pair<std::string, std::string>>& named) {
    std::error_code none;
    for (auto a = named.begin(); a != named.end(); ++a)
        for (auto b = named.begin(); b != a; ++b)
            if (!a->second.empty() &&
                (a->second == b->second || std::filesystem::equivalent(a->second, b->second, none)))
                throw charrnn::value_error(a->first + " " + a->second + ": is the same file as " + b->first +
                                           ", expected another");
}

/// That a file can be made in the folder of `path`, before anything is trained that is to be saved there.
/// Errors: io_error
inline void check_folder(const std::string& path) {
    const std::string folder = charrnn::detail::folder_of(path);
    if (::access(folder.c_str(), W_OK | X_OK) != 0)
        throw charrnn::io_error(path + ": nothing can be saved there: " + std::strerror(errno));
}

/// That all that was written has arrived. Errors: io_error
inline void check_output() {
    std::cout.flush();
    if (!std::cout || std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
        throw charrnn::io_error("the standard output cannot be written");
}

/// Where the kept ones of a run go: "runs/a.safetensors" -> "runs/a".
inline std::string kept_prefix(const std::string& checkpoint) {
    const std::string end = ".safetensors";
    const bool has_end = checkpoint.size() > end.size() &&
                         checkpoint.compare(checkpoint.size() - end.size(), end.size(), end) == 0;
    return has_end ? checkpoint.substr(0, checkpoint.size() - end.size()) : checkpoint;
}

/// The kept ones of a run: the last `keep`, and the best. Errors: value_error where a new run finds those of another, which
/// it would take for its own, and remove
inline charrnn::Checkpoints kept_of(const std::string& checkpoint, std::size_t keep, bool new_run) {
    charrnn::Checkpoints kept(kept_prefix(checkpoint), {.last = keep, .best = 1});
    if (new_run && !kept.entries().empty())
        throw charrnn::value_error("--keep: " + kept.last()->path +
                                   " is there, of another run; expected --resume, or another name than " +
                                   checkpoint);
    return kept;
}

/// The model of a run that goes on with a text. Errors: data_error, naming a character that the run does not know
inline charrnn::LoadedModel<> load_run(const std::string& file, const charrnn::Alphabet& of_text) {
    charrnn::LoadedModel<> loaded = charrnn::load_model(file);
    for (const char32_t c : of_text.symbols())
        if (!loaded.alphabet.contains(c))
            throw charrnn::data_error(file + ": the run does not know the text's character " +
                                      charrnn::printable(c, of_text.encoding()) +
                                      ", expected the text that it was begun with");
    return loaded;
}
