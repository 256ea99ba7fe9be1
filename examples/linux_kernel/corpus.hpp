#pragma once

#include <algorithm>
#include <array>
#include <charrnn/core/error.hpp>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

/// @file
/// The texts of the example: C from the Linux kernel, in an order that is the same on every machine.
///
/// Files follow each other by the SHA-256 of their path below the root ("linux/fs.h", "kernel/fork.c"):
/// shuffled, so that neighbours in the text are not neighbours in the tree, and yet fixed.

namespace corpus {

/// A text to train on and, if asked for, one that was held out.
struct Corpus {
    std::string train;
    std::string valid;            ///< empty if nothing was held out
    std::size_t train_files = 0;  ///< files in `train`, the last one perhaps in part
    std::size_t valid_files = 0;  ///< files in `valid`
    std::size_t characters = 0;   ///< characters (UTF-8 code points) in `train`
};

/// The SHA-256 of a string, as 64 hexadecimal digits. Source: FIPS 180-4, section 6.2.
inline std::string sha256_hex(std::string_view message) {
    using std::uint32_t;
    // The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
    static constexpr std::array<uint32_t, 64> k = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
    // The same of the square roots of the first 8 primes (5.3.3).
    std::array<uint32_t, 8> hash = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    // Padding (5.1.1): a one bit, zeros up to 56 bytes modulo 64, the length in bits in 8 bytes, big end
    // first.
    std::string padded(message);
    padded += '\x80';
    while (padded.size() % 64 != 56) padded += '\0';
    const auto bits = static_cast<std::uint64_t>(message.size()) * 8;
    for (int shift = 56; shift >= 0; shift -= 8) padded += static_cast<char>((bits >> shift) & 0xffU);

    const auto rotate = [](uint32_t x, int n) { return (x >> n) | (x << (32 - n)); };
    for (std::size_t block = 0; block < padded.size(); block += 64) {
        std::array<uint32_t, 64> w{};
        for (std::size_t i = 0; i < 64; ++i)
            w[i / 4] = (w[i / 4] << 8) | static_cast<unsigned char>(padded[block + i]);
        for (std::size_t t = 16; t < 64; ++t) {
            const uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ (w[t - 15] >> 3);
            const uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ (w[t - 2] >> 10);
            w[t] = w[t - 16] + s0 + w[t - 7] + s1;
        }
        auto [a, b, c, d, e, f, g, h] = hash;
        for (std::size_t t = 0; t < 64; ++t) {
            const uint32_t sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
            const uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + k[t] + w[t];
            const uint32_t sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
            const uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
            h = std::exchange(g, std::exchange(f, std::exchange(e, d + t1)));
            d = std::exchange(c, std::exchange(b, std::exchange(a, t1 + t2)));
        }
        const std::array<uint32_t, 8> change = {a, b, c, d, e, f, g, h};
        for (std::size_t i = 0; i < 8; ++i) hash[i] += change[i];
    }

    std::string hex;
    for (const uint32_t word : hash)
        for (int shift = 28; shift >= 0; shift -= 4) hex += "0123456789abcdef"[(word >> shift) & 0xfU];
    return hex;
}

/// The regular files in `folders` (recursively, below `root`) that end in one of `extensions`, as paths below
/// the root, ordered by the SHA-256 of that path. Folders that do not exist and symbolic links are left out.
/// Errors: io_error if a folder cannot be read.
inline std::vector<std::filesystem::path> shuffled_files(const std::filesystem::path& root,
                                                         const std::vector<std::string>& folders,
                                                         const std::vector<std::string>& extensions) {
    namespace fs = std::filesystem;
    std::vector<std::pair<std::string, fs::path>> found;
    try {
        for (const auto& folder : folders) {
            if (!fs::is_directory(root / folder)) continue;
            for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
                const auto extension = entry.path().extension().string();
                if (std::find(extensions.begin(), extensions.end(), extension) == extensions.end()) continue;
                if (!fs::is_regular_file(entry.symlink_status())) continue;
                auto path = entry.path().lexically_relative(root);
                auto key = sha256_hex(path.generic_string());
                found.emplace_back(std::move(key), std::move(path));
            }
        }
    } catch (const fs::filesystem_error& failure) {
        throw charrnn::io_error("the folder " + failure.path1().string() +
                                " cannot be read: " + failure.code().message());
    }
    std::sort(found.begin(), found.end());
    std::vector<fs::path> files;
    files.reserve(found.size());
    for (auto& [key, path] : found) files.push_back(std::move(path));
    return files;
}

/// The number of bytes that the first `characters` code points take, or all. `count` becomes how many code
/// points those are. A code point begins at every byte that does not continue one, so `text` has to be valid
/// UTF-8.
inline std::size_t utf8_prefix(std::string_view text, std::size_t characters, std::size_t& count) {
    count = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if ((static_cast<unsigned char>(text[i]) & 0xc0U) == 0x80U) continue;
        if (count == characters) return i;
        ++count;
    }
    return text.size();
}

/// The bytes of a file. Errors: io_error if it cannot be read.
inline std::string read_file(const std::filesystem::path& path) {
    std::error_code failure;
    const auto size = std::filesystem::file_size(path, failure);
    std::ifstream in(path, std::ios::binary);
    std::string text(failure ? 0 : size, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (failure || !in) throw charrnn::io_error(path.string() + " cannot be read");
    return text;
}

/// Joins files below `root` in the order given: all of them into `train`; or, with `valid`, every tenth (the
/// 10th, 20th, ...) into `valid` instead. `train` ends after `characters` characters (code points).
/// Errors: io_error if a file cannot be read.
inline Corpus read_files(const std::filesystem::path& root, const std::vector<std::filesystem::path>& files,
                         bool valid, std::size_t characters = static_cast<std::size_t>(-1)) {
    Corpus corpus;
    for (std::size_t i = 0; i < files.size(); ++i) {
        const bool held_out = valid && i % 10 == 9;
        if (!held_out && corpus.characters == characters) continue;
        std::string text = read_file(root / files[i]);
        if (held_out) {
            corpus.valid += text;
            ++corpus.valid_files;
        } else {
            std::size_t count = 0;
            text.resize(utf8_prefix(text, characters - corpus.characters, count));
            corpus.train += text;
            corpus.characters += count;
            ++corpus.train_files;
        }
    }
    return corpus;
}

/// The kernel's headers for programs, which every Linux machine with a C compiler has.
///
/// On Debian 12 (linux-libc-dev 6.1) these are 870 files, 5,337,808 characters. Left out are asm/, which
/// differs from architecture to architecture, and drm/ and scsi/, which other packages own on some
/// distributions.
/// Errors: data_error if there are none, io_error if one cannot be read.
inline Corpus read_headers(bool valid, const std::filesystem::path& root = "/usr/include") {
    const auto files = shuffled_files(
        root, {"linux", "asm-generic", "misc", "mtd", "rdma", "sound", "video", "xen"}, {".h"});
    if (files.empty())
        throw charrnn::data_error("there are no kernel headers in " + root.string() +
                                  " (Debian and Ubuntu have them in the package linux-libc-dev)");
    return read_files(root, files, valid);
}

/// The .c and .h files of the folder kernel/ of a Linux source tree, cut to the length of the text of the
/// Flux documents, which was made in the same way. In 6.1 the folder has 502 files, 11,680,701 characters.
/// Errors: data_error if `root` has no such files, io_error if one cannot be read.
inline Corpus read_full(const std::filesystem::path& root, bool valid, std::size_t characters = 6'206'993) {
    const auto files = shuffled_files(root, {"kernel"}, {".c", ".h"});
    if (files.empty())
        throw charrnn::data_error(root.string() + " holds no Linux source: there is no C in its kernel/");
    return read_files(root, files, valid, characters);
}

}  // namespace corpus
