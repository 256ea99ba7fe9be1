#pragma once

// What the programs' command lines share: options that belong to a run are saved with it, and hold when it goes on.

#include <CLI/CLI.hpp>
#include <charrnn/charrnn.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

struct RunSettings {
    std::map<std::string, std::string> all;  ///< to be saved as the run's notes
    std::set<std::string> changed;           ///< given another value than the run that goes on had
};

/// The values of options: `model` makes the model and cannot change while the run goes on, `others` can. Where `resume`
/// names a file, its run's values hold for options that are not given.
/// Errors: value_error, naming the option, for another model than the run's
inline RunSettings run_settings(CLI::App& app, const std::vector<std::string>& model,
                                const std::vector<std::string>& others, const std::string& resume) {
    std::map<std::string, std::string> saved;
    if (!resume.empty()) saved = charrnn::read_run_extra(charrnn::TensorFile::read(resume)).notes;
    RunSettings settings;
    const auto take = [&](const std::string& name, bool may_change) {
        CLI::Option* option = app.get_option(name);
        const auto note = saved.find(name);
        if (note != saved.end() && option->count() == 0) {
            option->add_result(note->second);
            option->run_callback();
        }
        const std::string value = option->count() > 0 ? option->results().front() : option->get_default_str();
        if (note != saved.end() && value != note->second) {
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

/// Where the kept ones of a run go: "runs/a.safetensors" -> "runs/a".
inline std::string kept_prefix(const std::string& checkpoint) {
    const std::string end = ".safetensors";
    const bool has_end = checkpoint.size() > end.size() &&
                         checkpoint.compare(checkpoint.size() - end.size(), end.size(), end) == 0;
    return has_end ? checkpoint.substr(0, checkpoint.size() - end.size()) : checkpoint;
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
