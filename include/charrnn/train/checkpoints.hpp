#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <charrnn/core/once.hpp>
#include <charrnn/io/atomic_file.hpp>

namespace charrnn {

/// Several checkpoints of a run: the newest ones and the best ones are kept, older ones removed.
///
///     Checkpoints kept("runs/lstm", {.last = 3, .best = 1});
///     kept.add(step, loss, [&](const std::string& path) { save_run(path, trainer, alphabet); });
///
/// The files are `runs/lstm-step000001500-loss1.2345.safetensors`; those of which no loss is known have none in their
/// name. The links `runs/lstm-last.safetensors` and `runs/lstm-best.safetensors` always point to a whole file: they are
/// turned after the new file is there, and before the old one goes. What an earlier process left is found again. Of a run
/// that goes back, what it repeats is removed, but for the best.
class Checkpoints {
  public:
    /// How many to keep: the newest, and those with the smallest losses. A file may be both.
    struct Keep {
        std::size_t last = 3;  ///< how many of the newest
        std::size_t best = 1;  ///< how many of the best
    };
    /// One file that is kept.
    struct Entry {
        std::string path;  ///< where it is
        std::uint64_t step = 0;
        std::optional<double> loss;  ///< as precise as the name has it
    };

    /// Errors: value_error for a prefix without a name, or where nothing is to be kept; io_error if the folder is missing
    explicit Checkpoints(std::string prefix, Keep keep = {3, 1}, FileSystem& files = FileSystem::real());

    /// Write a checkpoint with `write(path)`, turn the links, and remove what need not be kept. The path it has.
    /// Errors: what `write` throws, and io_error; what was there before is then there still
    template <class Write>
    std::string add(std::uint64_t step, std::optional<double> loss, Write write) {
        const Entry entry = entry_of(step, loss);
        write(entry.path);
        keep(entry);
        return entry.path;
    }

    /// The links' names, whether or not there is anything yet.
    [[nodiscard]] std::string last_path() const { return prefix_ + "-last" + suffix; }
    /// The best one's path.
    [[nodiscard]] std::string best_path() const { return prefix_ + "-best" + suffix; }
    /// What is there, in the order of writing.
    [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
    /// The newest, or null.
    [[nodiscard]] const Entry* last() const { return entries_.empty() ? nullptr : &entries_.back(); }
    /// The one with the smallest loss, the earlier of two; null if no loss is known.
    [[nodiscard]] const Entry* best() const;

  private:
    static constexpr const char* suffix = ".safetensors";

    static std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }
    static std::string file_name(std::uint64_t step, std::optional<double> loss);
    /// The one that is to be written.
    [[nodiscard]] Entry entry_of(std::uint64_t step, std::optional<double> loss) const;
    /// It is written: turn the links, and remove what need not be kept.
    void keep(const Entry& entry);
    /// Step and loss from a name that file_name gave, or nothing.
    [[nodiscard]] std::optional<Entry> parse(const std::string& name) const;
    /// How many are better.
    [[nodiscard]] std::size_t rank(const Entry& e) const;

    std::string prefix_;
    Keep keep_;
    FileSystem& files_;
    std::vector<Entry> entries_;
};

}  // namespace charrnn

#ifdef CHARRNN_ONCE
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string_view>
#include <system_error>
#include <utility>

#include <charrnn/core/error.hpp>
#include <charrnn/core/format.hpp>

namespace charrnn {

CHARRNN_ONCE Checkpoints::Checkpoints(std::string prefix, Keep keep, FileSystem& files)
    : prefix_(std::move(prefix)), keep_(keep), files_(files) {
    if (name_of(prefix_).empty())
        throw value_error("Checkpoints: " + prefix_ + ": expected a folder and the beginning of a name");
    if (keep_.last == 0) throw value_error("Checkpoints: 0 of the last are to be kept, expected at least 1");
    std::error_code failure;
    for (const auto& file : std::filesystem::directory_iterator(detail::folder_of(prefix_), failure))
        if (const auto entry = parse(file.path().filename().string())) entries_.push_back(*entry);
    if (failure) throw io_error(detail::folder_of(prefix_) + ": cannot be read: " + failure.message());
    std::sort(entries_.begin(), entries_.end(),
              [](const Entry& a, const Entry& b) { return a.step < b.step; });
    // What is of later steps than the last one was written before a run went back, and kept for being good.
    const auto last = std::filesystem::read_symlink(last_path(), failure).filename();
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& e) { return name_of(e.path) == last; });
    if (found != entries_.end()) std::rotate(entries_.begin(), found + 1, entries_.end());
    // Names have four digits of a loss. Of those that are alike the link says which was the best.
    const auto best = std::filesystem::read_symlink(best_path(), failure).filename();
    for (Entry& e : entries_)
        if (e.loss && name_of(e.path) == best && rank(e) > 0 && e.loss == this->best()->loss)
            e.loss = std::nextafter(*e.loss, std::numeric_limits<double>::lowest());
}

CHARRNN_ONCE Checkpoints::Entry Checkpoints::entry_of(std::uint64_t step, std::optional<double> loss) const {
    if (loss && !std::isfinite(*loss)) loss.reset();
    return {prefix_ + file_name(step, loss), step, loss};
}

CHARRNN_ONCE void Checkpoints::keep(const Entry& entry) {
    std::erase_if(entries_, [&](const Entry& e) { return e.path == entry.path; });
    entries_.push_back(entry);
    std::vector<Entry> gone;
    const auto remove = [&](const auto& which) {
        for (auto e = entries_.begin(); e != entries_.end();) {
            const bool stays = !which(*e) || rank(*e) < keep_.best;
            if (!stays) gone.push_back(*e);
            e = stays ? e + 1 : entries_.erase(e);
        }
    };
    // First what a run that went back repeats, then what is older than the last ones.
    remove([&](const Entry& e) { return e.step >= entry.step && &e != &entries_.back(); });
    remove([&](const Entry& e) {
        return entries_.data() + entries_.size() - &e > static_cast<std::ptrdiff_t>(keep_.last);
    });
    link_atomically(last_path(), name_of(entry.path), files_);
    if (const Entry* best = this->best()) link_atomically(best_path(), name_of(best->path), files_);
    for (const Entry& e : gone) files_.unlink(e.path.c_str());
}

CHARRNN_ONCE const Checkpoints::Entry* Checkpoints::best() const {
    const Entry* best = nullptr;
    for (const Entry& e : entries_)
        if (e.loss && (best == nullptr || *e.loss < *best->loss)) best = &e;
    return best;
}

CHARRNN_ONCE std::string Checkpoints::file_name(std::uint64_t step, std::optional<double> loss) {
    const std::string digits = std::to_string(step);
    return "-step" + std::string(9 - std::min<std::size_t>(9, digits.size()), '0') + digits +
           (loss ? "-loss" + detail::decimal(*loss, 4) : "") + suffix;
}

CHARRNN_ONCE std::optional<Checkpoints::Entry> Checkpoints::parse(const std::string& name) const {
    const std::string begin = name_of(prefix_) + "-step", mark = "-loss";
    std::string_view numbers = name;
    if (!numbers.starts_with(begin) || !numbers.ends_with(suffix)) return std::nullopt;
    numbers = numbers.substr(begin.size(), numbers.size() - begin.size() - std::string_view(suffix).size());
    const std::size_t at = numbers.find(mark);
    const auto step = detail::parsed_count(numbers.substr(0, at));
    std::optional<double> loss;
    if (at != std::string_view::npos) loss = detail::parsed_number(numbers.substr(at + mark.size()));
    if (!step || file_name(*step, loss) != name.substr(name_of(prefix_).size())) return std::nullopt;
    return Entry{prefix_ + file_name(*step, loss), *step, loss};
}

CHARRNN_ONCE std::size_t Checkpoints::rank(const Entry& e) const {
    if (!e.loss) return entries_.size();
    return static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(), [&](const Entry& other) {
        return other.loss && (*other.loss < *e.loss || (*other.loss == *e.loss && other.step < e.step));
    }));
}

}  // namespace charrnn
#endif
