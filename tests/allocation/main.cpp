// Nothing is allocated in a training step: every allocation of the program is counted.

#include <atomic>
#include <charrnn/charrnn.hpp>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "nn/instances.hpp"

static std::atomic<long> allocations{0};

static void* counted(std::size_t size, std::size_t alignment) {
    ++allocations;
    if (void* p = std::aligned_alloc(alignment, charrnn::round_up(size == 0 ? 1 : size, alignment))) return p;
    throw std::bad_alloc();
}

void* operator new(std::size_t size) { return counted(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t a) {
    return counted(size, static_cast<std::size_t>(a));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

using namespace charrnn;

static long in_steps(const char* cell, std::size_t threads) {
    std::string s;
    for (int i = 0; i < 5000; ++i) s += static_cast<char>('a' + i * i % 26);
    const Text text = Text::from_string(s);
    const Alphabet alphabet(text, U'\v');
    Model<> model = char_rnn(cell, alphabet.size(), 24, 2);
    Trainer trainer(model, Adam(0.01), Batches(text, alphabet, {.lanes = 10, .window = 20}),
                    {.clip = 1, .threads = threads});
    std::uint64_t called = 0;
    trainer.every_step([&](const Progress& p) { called = p.step; });
    trainer.run(steps(2));
    const long before = allocations;
    trainer.run(steps(60));  // beyond the end of an epoch, with its shorter window
    const long made = allocations - before;
    std::printf("%s, %zu threads: %ld allocations in 60 steps\n", cell, threads, made);
    return called == 62 ? made : -1;
}

int main() {
    bool none = true;
    for (const char* cell : {"lstm", "gru", "rnn"})
        for (const std::size_t threads : {1U, 2U}) none = in_steps(cell, threads) == 0 && none;
    return none && allocations > 0 ? 0 : 1;
}
