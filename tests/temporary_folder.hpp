#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace charrnn::test {

/// A folder of its own that goes with the object.
class TemporaryFolder {
  public:
    /// `begin` is what its name begins with.
    explicit TemporaryFolder(const char* begin = "charrnn-test-") {
        std::string name = (std::filesystem::temp_directory_path() / begin).string() + "XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder can be made");
        path_ = name;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    /// The path of what has this name in it.
    [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }
    /// Write a file, and the folders on the way to it: its path.
    std::string write(const std::string& name, std::string_view bytes) const {
        std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
        std::ofstream(path(name), std::ios::binary) << bytes;
        return path(name);
    }

  private:
    std::string path_;
};

/// All that is in a file, "" if it cannot be read.
inline std::string contents(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

}  // namespace charrnn::test
