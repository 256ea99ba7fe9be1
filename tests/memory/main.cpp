// Reading a file never takes more than twice its size, and some room for a header, whatever is in it; training takes the
// text's characters, a byte each, and a bounded rest. All memory of the program is counted, but for the text itself, which
// is mapped.

#include <malloc.h>

#include <algorithm>
#include <charrnn/data/batches.hpp>
#include <charrnn/io/model_file.hpp>
#include <charrnn/optim/adam.hpp>
#include <charrnn/train/trainer.hpp>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>

#include "nn/instances.hpp"
#include "temporary_folder.hpp"

static std::size_t in_use = 0, most = 0;

static void* counted(std::size_t size, std::size_t alignment) {
    void* p = std::aligned_alloc(alignment, charrnn::round_up(size == 0 ? 1 : size, alignment));
    if (p == nullptr) throw std::bad_alloc();
    in_use += malloc_usable_size(p);
    most = std::max(most, in_use);
    return p;
}
static void freed(void* p) {
    if (p != nullptr) in_use -= malloc_usable_size(p);
    std::free(p);
}

void* operator new(std::size_t size) { return counted(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t a) {
    return counted(size, static_cast<std::size_t>(a));
}
void operator delete(void* p) noexcept { freed(p); }
void operator delete(void* p, std::size_t) noexcept { freed(p); }
void operator delete(void* p, std::align_val_t) noexcept { freed(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { freed(p); }

using namespace charrnn;

/// Room for what a header may describe in fewer bytes than it takes in memory: 4,096 tensors and 4,096 entries.
static constexpr std::size_t room = 1 << 20U;

static bool within(const char* what, const std::string& path, std::size_t allowed_beside) {
    const std::size_t size = std::filesystem::file_size(path);
    const std::size_t before = in_use;
    most = in_use;
    std::string result = "loaded";
    try {
        (void)load_model(path);
    } catch (const error& e) {
        result = std::string(e.what()).substr(path.size(), 70);
    }
    const std::size_t peak = most - before;
    const bool ok = peak <= 2 * size + allowed_beside;
    std::printf("%-28s %9zu bytes, at most %9zu taken%s (%s)\n", what, size, peak, ok ? "" : ": TOO MUCH",
                result.c_str());
    return ok;
}

/// Two steps of a model of the usual size on a text of as many characters as the Linux kernel text of the Flux documents.
static bool training_within(const std::string& path, std::size_t characters, std::size_t allowed_beside) {
    {
        std::string text(characters, ' ');
        for (std::size_t i = 0; i < characters; ++i) text[i] = static_cast<char>('!' + i * i % 90);
        write_atomically(path, text);
    }
    const std::size_t before = in_use;
    most = in_use;
    const Text text = read_text(path);
    const Alphabet alphabet(text, U'\v');
    Model<float> model = char_rnn("lstm", alphabet.size(), 128, 2);
    Trainer trainer(model, Adam(0.002), Batches(text, alphabet, {.lanes = 50, .window = 50}));
    trainer.run(steps(2));
    const std::size_t peak = most - before;
    const bool ok = peak <= characters + allowed_beside;
    std::printf("%-28s %9zu characters, at most %9zu bytes taken%s\n", "training", characters, peak,
                ok ? "" : ": TOO MUCH");
    return ok;
}

int main() try {
    const test::TemporaryFolder folder;
    const std::string path = folder.path() + "/f";
    bool ok = true;

    std::string s;
    for (int i = 0; i < 90; ++i) s += static_cast<char>('!' + i);
    const Alphabet alphabet(Text::from_string(s), U'\v');
    save(path, char_rnn("lstm", alphabet.size(), 400, 2), alphabet);
    ok = within("a model", path, 1 << 16U) && ok;

    const auto attack = [&](const char* what, const std::string& json, std::size_t data) {
        std::string bytes;
        for (std::size_t i = 0; i < 8; ++i)
            bytes += static_cast<char>(static_cast<unsigned char>(json.size() >> (8 * i)));
        write_atomically(path, bytes + json + std::string(data, '\0'));
        ok = within(what, path, room) && ok;
    };
    const auto repeated = [](std::size_t n, const std::string& before, const std::string& after) {
        std::string all;
        for (std::size_t i = 0; i < n; ++i) all += (i > 0 ? "," : "") + before + std::to_string(i) + after;
        return "{" + all + "}";
    };
    attack("tensors without end",
           repeated(17'000, "\"", R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})"), 0);
    // As many of everything as is allowed, as short as can be; no model, but a right file of tensors.
    std::string entries, tensors;
    for (std::size_t i = 0; i < 4096; ++i) {
        char name[8];
        std::snprintf(name, sizeof name, "%zx", i);
        entries += (i > 0 ? ",\"" : "\"") + std::string(name) + "\":\"\"";
        if (i > 0)
            tensors += ",\"" + std::string(name) + R"(":{"dtype":"U8","shape":[],"data_offsets":[)" +
                       std::to_string(i - 1) + "," + std::to_string(i) + "]}";
    }
    attack("short names", R"({"__metadata__":{)" + entries + "}" + tensors + "}", 4095);
    attack("a long entry beside them",
           R"({"__metadata__":{)" + entries.substr(0, entries.rfind("\"\"") + 1) + std::string(65'000, 'x') +
               "\"}" + tensors + "}",
           4095);
    attack(
        "long entries",
        R"({"__metadata__":)" +
            [&] {
                std::string all;
                for (int i = 0; i < 15; ++i)
                    all += (i > 0 ? ",\"" : "{\"") + std::to_string(i) + "\":\"" + std::string(65'000, 'x') +
                           "\"";
                return all + "}";
            }() +
            "}",
        0);
    attack("a number without end",
           R"({"a":{"shape":[)" + std::string(500'000, '1').replace(1, 0, ",") + "1]}}", 0);
    attack("metadata without end", R"({"__metadata__":)" + repeated(60'000, "\"", "\":\"\"") + "}", 0);
    attack("a long text", R"({"__metadata__":{"k":")" + std::string(1'000'000, 'x') + "\"}}", 0);
    attack("a long name", "{\"" + std::string(1'000'000, 'x') + "\":{}}", 0);
    attack("deep nesting", "{\"a\":" + std::string(1'000'000, '[') + "}", 0);
    attack("a huge tensor",
           R"({"a":{"dtype":"U8","shape":[1000000000000],"data_offsets":[0,1000000000000]}})", 10);

    // A right file that describes a model far larger than itself.
    const std::int32_t symbols[1] = {65};
    const float weight[4] = {};
    write_atomically(path, tensor_file_bytes({TensorSource::of("layers.0.cell.Wi", {1, 4}, weight, 4),
                                              TensorSource::of("layers.0.cell.Wh", {1, 4}, weight, 4),
                                              TensorSource::of("layers.0.cell.b", {4}, weight, 4),
                                              TensorSource::of("alphabet", {1}, symbols, 1)},
                                             {{"format", "charrnn 1"},
                                              {"softmax", "false"},
                                              {"layers", "1"},
                                              {"layers.0.type", "lstm"},
                                              {"layers.0.in", "1"},
                                              {"layers.0.out", "100000"}}));
    ok = within("a model of 160 GB", path, room) && ok;
    ok = training_within(path, 6'206'993, std::size_t{64} << 20U) && ok;
    return ok ? 0 : 1;
} catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
