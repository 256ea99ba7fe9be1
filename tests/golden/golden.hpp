#pragma once

#include <cmath>
#include <cstddef>
#include <fstream>
#include <locale>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <charrnn/core/error.hpp>

/// @file
/// Reads the files of tests/golden: named matrices as text, made with PyTorch by make_golden.py.
///
/// A file is a sequence of blocks: a line "name rows cols", then `rows` lines of `cols` numbers. Empty lines
/// and lines that begin with '#' are skipped.

namespace charrnn::test {

/// The matrices of one golden file, by name.
class Golden {
  public:
    struct Array {
        std::size_t rows = 0;
        std::size_t cols = 0;
        std::vector<double> values;  ///< row-major
    };

    /// @throws io_error if the file cannot be read, data_error if it is not of the format above.
    static Golden load(const std::string& path) {
        std::ifstream in(path);
        if (!in) throw io_error("golden file '" + path + "' cannot be opened");
        Golden golden;
        golden.path_ = path;
        std::string text;
        std::size_t number = 0;
        while (golden.next(in, text, number)) golden.read(in, text, number);
        if (golden.arrays_.empty()) throw data_error("golden file '" + path + "' holds no array");
        return golden;
    }

    bool has(const std::string& name) const { return arrays_.count(name) != 0; }

    /// @throws data_error if the file has no array of that name.
    const Array& at(const std::string& name) const {
        const auto found = arrays_.find(name);
        if (found == arrays_.end())
            throw data_error("golden file '" + path_ + "' has no array '" + name + "'");
        return found->second;
    }

    /// The only value of a 1 x 1 array.
    /// @throws data_error if the array is missing or is not 1 x 1.
    double scalar(const std::string& name) const {
        const Array& array = at(name);
        if (array.values.size() != 1)
            throw data_error("golden file '" + path_ + "': '" + name + "' is " + std::to_string(array.rows) +
                             " x " + std::to_string(array.cols) + ", not 1 x 1");
        return array.values.front();
    }

  private:
    /// The next line that holds something; false at the end of the file.
    bool next(std::istream& in, std::string& text, std::size_t& number) const {
        while (std::getline(in, text)) {
            ++number;
            if (!text.empty() && text.back() == '\r') text.pop_back();
            if (text.find_first_not_of(" \t") != std::string::npos && text.front() != '#') return true;
        }
        if (in.bad()) throw io_error("golden file '" + path_ + "' cannot be read");
        return false;
    }

    /// One block; `text` is its first line.
    void read(std::istream& in, std::string& text, std::size_t& number) {
        std::istringstream head = tokens(text);
        std::string name, rest;
        Array array;
        if (!(head >> name >> array.rows >> array.cols) || head >> rest || array.rows == 0 || array.cols == 0)
            fail(number, "expected 'name rows cols'");
        for (std::size_t row = 0; row < array.rows; ++row) {
            if (!next(in, text, number))
                fail(number, "the file ends in row " + std::to_string(row) + " of '" + name + "'");
            std::istringstream line = tokens(text);
            std::size_t count = 0;
            for (std::string word; line >> word; ++count) {
                std::istringstream digits = tokens(word);
                double value = 0;
                if (!(digits >> value) || digits.peek() != std::char_traits<char>::eof() ||
                    !std::isfinite(value))
                    fail(number, "'" + word + "' in '" + name + "' is not a finite number");
                array.values.push_back(value);
            }
            if (count != array.cols)
                fail(number, "expected " + std::to_string(array.cols) + " numbers of '" + name + "'");
        }
        if (!arrays_.emplace(name, std::move(array)).second) fail(number, "a second array '" + name + "'");
    }

    static std::istringstream tokens(const std::string& text) {
        std::istringstream in(text);
        in.imbue(std::locale::classic());
        return in;
    }

    [[noreturn]] void fail(std::size_t number, const std::string& what) const {
        throw data_error("golden file '" + path_ + "', line " + std::to_string(number) + ": " + what);
    }

    std::string path_;
    std::map<std::string, Array> arrays_;
};

}  // namespace charrnn::test
