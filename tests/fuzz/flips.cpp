// flips FILE COUNT: reads a checkpoint COUNT times, each time with 1 to 8 bits of it turned. All must be refused.

#include <charrnn/core/random.hpp>
#include <charrnn/io/safetensors.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

using namespace charrnn;

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    std::ifstream in(argv[1], std::ios::binary);
    std::ostringstream all;
    all << in.rdbuf();
    std::string bytes = all.str();
    try {
        (void)TensorFile::parse(bytes, argv[1]);
    } catch (const error& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 2;
    }
    Random random(1);
    long accepted = 0;
    const long count = std::atol(argv[2]);
    for (long i = 0; i < count; ++i) {
        std::size_t turned[8], n = 1 + random.below(8);
        for (std::size_t k = 0; k < n; ++k) {
            turned[k] = random.below(8 * bytes.size());
            bool again = false;
            for (std::size_t j = 0; j < k; ++j) again = again || turned[j] == turned[k];
            if (again) --k;
        }
        const auto turn = [&] {
            for (std::size_t k = 0; k < n; ++k)
                bytes[turned[k] / 8] =
                    static_cast<char>(bytes[turned[k] / 8] ^ static_cast<char>(1U << turned[k] % 8));
        };
        turn();
        try {
            (void)TensorFile::parse(bytes, "f");
            ++accepted;
        } catch (const data_error&) {
        }
        turn();
    }
    std::printf("%ld files of %zu bytes with flipped bits, %ld accepted\n", count, bytes.size(), accepted);
    return accepted == 0 ? 0 : 1;
}
