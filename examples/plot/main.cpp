// Draws loss curves as SVG from the logs that training writes: one run, or several to compare.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charrnn/core/error.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

struct Point {
    double x, y;
};
struct Curve {
    std::string name;
    std::vector<Point> train, measured;  // measured: the validation loss where there is one, else the probe's
};

/// A number of a CSV field; NaN where it is blank.
static double number(const std::string& field, const std::string& where) {
    if (field.empty()) return std::nan("");
    std::size_t used = 0;
    double value = 0;
    try {
        value = std::stod(field, &used);
    } catch (const std::exception&) {
        used = 0;
    }
    if (used != field.size()) throw charrnn::data_error(where + ": '" + field + "' is not a number");
    return value;
}

/// Read a log, and smooth the training loss over `smooth` steps.
static Curve read_log(const std::string& path, double smooth, bool by_seconds) {
    std::ifstream in(path);
    if (!in) throw charrnn::io_error("cannot read '" + path + "'");
    const std::string header = "step,epoch,chars,seconds,train_loss,probe_loss,val_loss,lr";
    std::string line;
    std::getline(in, line);
    if (line != header) throw charrnn::data_error(path + ": expected the header " + header);
    const std::size_t slash = path.find_last_of('/');
    Curve curve{path.substr(slash == std::string::npos ? 0 : slash + 1), {}, {}};
    curve.name = curve.name.substr(0, curve.name.rfind(".csv"));
    double mean = 0, weight = 0;
    std::vector<Point> probes, validations;
    for (std::size_t row = 2; std::getline(in, line); ++row) {
        const std::string where = path + ", line " + std::to_string(row);
        std::vector<double> fields;
        std::stringstream parts(line + ",");
        for (std::string field; std::getline(parts, field, ',');) fields.push_back(number(field, where));
        if (fields.size() != 8) throw charrnn::data_error(where + ": expected 8 fields");
        const double x = by_seconds ? fields[3] : fields[0];
        if (!std::isnan(fields[4])) {
            weight = weight * (1 - 1 / smooth) + 1;
            mean += (fields[4] - mean) / weight;
            curve.train.push_back({x, mean});
        }
        if (!std::isnan(fields[5])) probes.push_back({x, fields[5]});
        if (!std::isnan(fields[6])) validations.push_back({x, fields[6]});
    }
    if (curve.train.empty()) throw charrnn::data_error(path + ": no training step in it");
    curve.measured = validations.empty() ? probes : validations;
    return curve;
}

/// 1, 2 or 5 times a power of ten, so that some six of them make `range`.
static double tick(double range) {
    const double power = std::pow(10.0, std::floor(std::log10(range / 6)));
    for (const double m : {1.0, 2.0, 5.0})
        if (range / (m * power) <= 7) return m * power;
    return 10 * power;
}

static std::string escaped(const std::string& s) {
    std::string e;
    for (const char c : s) e += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
    return e;
}

static std::string draw(const std::vector<Curve>& curves, const std::string& title, bool by_seconds) {
    constexpr double width = 800, height = 450, left = 60, right = 20, top = 40, bottom = 50;
    const char* colours[] = {"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf"};
    double x_max = 0, low = 1e300, high = 0;
    for (const Curve& c : curves) {
        x_max = std::max(x_max, c.train.back().x);
        for (const auto* points : {&c.train, &c.measured})
            for (const Point& p : *points) low = std::min(low, p.y), high = std::max(high, p.y);
    }
    x_max = std::max(x_max, 1e-9);
    const double step = tick(std::max(high - low, 1e-6));
    low = std::floor(low / step) * step;
    high = std::max(std::ceil(high / step) * step, low + step);
    const auto at = [&](const Point& p) {
        char s[64];
        std::snprintf(s, sizeof s, "%.1f,%.1f", left + p.x / x_max * (width - left - right),
                      top + (high - p.y) / (high - low) * (height - top - bottom));
        return std::string(s);
    };
    std::ostringstream svg;
    svg << "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 800 450' font-family='sans-serif' "
           "font-size='13'>\n"
        << "<rect width='800' height='450' fill='white'/>\n"
        << "<text x='400' y='24' text-anchor='middle' font-size='16'>" << escaped(title) << "</text>\n";
    for (double y = low; y < high + step / 2; y += step) {
        svg << "<polyline points='" << at({0, y}) << ' ' << at({x_max, y})
            << "' stroke='#dddddd' fill='none'/>\n";
        const std::string p = at({0, y});
        svg << "<text x='" << left - 8 << "' y='" << std::stod(p.substr(p.find(',') + 1)) + 4
            << "' text-anchor='end'>" << y << "</text>\n";
    }
    const double x_step = tick(x_max);
    for (double x = 0; x <= x_max * 1.0001; x += x_step)
        svg << "<text x='" << std::stod(at({x, low})) << "' y='" << height - bottom + 18
            << "' text-anchor='middle'>" << x << "</text>\n";
    svg << "<text x='430' y='440' text-anchor='middle'>" << (by_seconds ? "seconds of training" : "steps")
        << "</text>\n<text x='16' y='225' text-anchor='middle' transform='rotate(-90 16 225)'>"
        << "loss, nats a character</text>\n";
    for (std::size_t i = 0; i < curves.size(); ++i) {
        const char* colour = colours[i % std::size(colours)];
        svg << "<polyline fill='none' stroke-width='1.5' stroke='" << colour << "' points='";
        const std::size_t every = std::max<std::size_t>(1, curves[i].train.size() / 700);
        for (std::size_t k = 0; k < curves[i].train.size(); k += every) svg << at(curves[i].train[k]) << ' ';
        svg << at(curves[i].train.back()) << "'/>\n";
        for (const Point& p : curves[i].measured) {
            const std::string c = at(p);
            svg << "<circle r='3' fill='" << colour << "' cx='" << c.substr(0, c.find(',')) << "' cy='"
                << c.substr(c.find(',') + 1) << "'/>\n";
        }
        const double y = top + 20 + 20 * static_cast<double>(i);
        svg << "<rect x='560' y='" << y - 6 << "' width='18' height='4' fill='" << colour
            << "'/><text x='586' y='" << y << "'>" << escaped(curves[i].name) << "</text>\n";
    }
    svg << "</svg>\n";
    return svg.str();
}

int main(int argc, char** argv) {
    std::vector<std::string> logs;
    std::string title = "Training loss (line) and measured loss (points)", out;
    double smooth = 50;
    bool by_seconds = false;
    CLI::App app("Draws loss curves as SVG from training logs (CSV).", "plot");
    app.add_option("logs", logs, "the logs, a curve each")->required();
    app.add_option("-o,--out", out, "where to write; else to the standard output")->type_name("FILE");
    app.add_option("--title", title, "above the picture");
    app.add_option("--smooth", smooth, "average the training loss over so many steps (50)")
        ->check(CLI::Range(1.0, 1e9));
    app.add_flag("--seconds", by_seconds, "over time instead of steps");
    try {
        app.parse(argc, argv);
        std::vector<Curve> curves;
        for (const std::string& path : logs) curves.push_back(read_log(path, smooth, by_seconds));
        const std::string svg = draw(curves, title, by_seconds);
        if (out.empty()) {
            std::cout << svg << std::flush;
            if (!std::cout) throw charrnn::io_error("the standard output cannot be written");
        } else {
            std::ofstream file(out);
            file << svg << std::flush;
            if (!file) throw charrnn::io_error("cannot write '" + out + "'");
        }
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    } catch (const std::exception& e) {
        std::cerr << "plot: " << e.what() << '\n';
        return 1;
    }
}
