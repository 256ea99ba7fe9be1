#pragma once

#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>

#include <unistd.h>

#include <charrnn/train/progress.hpp>

namespace charrnn {

/// Shows how training goes: on a terminal a bar that is drawn over itself, elsewhere plain lines. Give it to
/// Trainer::every, and call `clear` before other output.
///
///     ProgressBar bar;
///     trainer.every(bar.interval(), [&](const Progress& p) { bar(p); });
class ProgressBar {
  public:
    explicit ProgressBar(std::FILE* out = stdout) : out_(out), terminal_(::isatty(::fileno(out)) == 1) {}

    /// How often it is worth drawing: five times a second on a terminal, else every ten seconds.
    [[nodiscard]] std::chrono::milliseconds interval() const {
        return std::chrono::milliseconds(terminal_ ? 200 : 10'000);
    }

    /// Draw.
    void operator()(const Progress& p) {
        char text[160];
        std::snprintf(text, sizeof text,
                      "%3.0f%%  step %llu  loss %.3f nats = %.3f bits a character  %s characters/s  %s left",
                      100 * p.done, static_cast<unsigned long long>(p.step), p.mean_loss,
                      p.mean_loss / std::log(2.0), thousands(p.rate).c_str(), clock(p.seconds_left).c_str());
        if (terminal_) {
            constexpr int width = 20;
            const long full = std::lround(p.done * width);
            std::string bar;
            for (long i = 0; i < width; ++i) bar += i < full ? "█" : "░";
            std::fprintf(out_, "\r\x1b[K%s %s", bar.c_str(), text);
            drawn_ = true;
        } else {
            std::fprintf(out_, "%s\n", text);
        }
        std::fflush(out_);
    }
    /// Take the bar off the line.
    void clear() {
        if (drawn_) std::fputs("\r\x1b[K", out_);
        drawn_ = false;
        std::fflush(out_);
    }

    /// 83 seconds -> "1:23".
    static std::string clock(double seconds) {
        const auto s = static_cast<unsigned long long>(std::llround(seconds));
        char text[32];
        if (s < 3600)
            std::snprintf(text, sizeof text, "%llu:%02llu", s / 60, s % 60);
        else
            std::snprintf(text, sizeof text, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
        return text;
    }
    /// 176862 -> "177k".
    static std::string thousands(double n) {
        char text[32];
        std::snprintf(text, sizeof text, n < 10'000 ? "%.0f" : "%.0fk", n < 10'000 ? n : n / 1000);
        return text;
    }

  private:
    std::FILE* out_;
    bool terminal_;
    bool drawn_ = false;
};

}  // namespace charrnn
