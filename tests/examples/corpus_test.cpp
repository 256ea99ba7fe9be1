#include "linux_kernel/corpus.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "temporary_folder.hpp"

namespace corpus_test {

namespace fs = std::filesystem;
using charrnn::test::TemporaryFolder;

namespace {}  // namespace

TEST_CASE("sha256_hex gives the digests of FIPS 180") {
    CHECK(corpus::sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(corpus::sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(corpus::sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(corpus::sha256_hex(std::string(1'000'000, 'a')) ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    // Around the padding's edge, 55 and 56 bytes, from coreutils' sha256sum.
    CHECK(corpus::sha256_hex(std::string(55, 'a')) ==
          "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
    CHECK(corpus::sha256_hex(std::string(56, 'a')) ==
          "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
}

TEST_CASE("files come in the order of the digest of their path below the root") {
    const TemporaryFolder folder("charrnn corpus ");
    // By coreutils' sha256sum these begin with 6d6f, 2af3 and d289.
    folder.write("linux/a.h", "a");
    folder.write("linux/can/b.h", "b");
    folder.write("linux/c.h", "c");
    folder.write("linux/README", "not a header");
    folder.write("scsi/d.h", "not asked for");
    fs::create_symlink("a.h", folder.path("linux/link.h"));

    const auto files = corpus::shuffled_files(folder.path(), {"linux", "missing"}, {".h"});
    CHECK(files == std::vector<fs::path>{"linux/can/b.h", "linux/a.h", "linux/c.h"});
    // A root that ends in a slash names the same files.
    CHECK(corpus::shuffled_files(folder.path() + "/", {"linux"}, {".h"}) == files);
}

TEST_CASE("every tenth file is held out") {
    const TemporaryFolder folder("charrnn corpus ");
    for (char c = 'a'; c < 'a' + 21; ++c) folder.write(std::string("linux/") + c + ".h", std::string(1, c));
    const auto files = corpus::shuffled_files(folder.path(), {"linux"}, {".h"});
    REQUIRE(files.size() == 21);

    const auto all = corpus::read_headers(false, folder.path());
    CHECK(all.train.size() == 21);
    CHECK(all.train_files == 21);
    CHECK(all.valid.empty());

    const auto split = corpus::read_headers(true, folder.path());
    CHECK(split.train_files == 19);
    CHECK(split.valid_files == 2);
    CHECK(split.valid == files[9].stem().string() + files[19].stem().string());
    CHECK(split.train == all.train.substr(0, 9) + all.train.substr(10, 9) + all.train.substr(20));
}

TEST_CASE("the full text is cut to a number of characters, not of bytes") {
    const TemporaryFolder folder("charrnn corpus ");
    folder.write("kernel/fork.c", "ÄÖÜ€");
    folder.write("kernel/sched/sched.h", "ÄÖÜ€");
    folder.write("drivers/net.c", "not of kernel/");

    const auto whole = corpus::read_full(folder.path(), false);
    CHECK(whole.characters == 8);
    CHECK(whole.train == "ÄÖÜ€ÄÖÜ€");

    const auto cut = corpus::read_full(folder.path(), false, 6);
    CHECK(cut.train == "ÄÖÜ€ÄÖ");
    CHECK(cut.characters == 6);
    CHECK(cut.train_files == 2);
    CHECK(corpus::read_full(folder.path(), false, 4).train_files == 1);
}

TEST_CASE("the cut leaves the held-out files whole") {
    const TemporaryFolder folder("charrnn corpus ");
    for (char c = 'a'; c < 'a' + 10; ++c) folder.write(std::string("kernel/") + c + ".c", std::string(5, c));
    const auto text = corpus::read_full(folder.path(), true, 7);
    CHECK(text.train.size() == 7);
    CHECK(text.valid.size() == 5);
}

TEST_CASE("a root without kernel text is an error that names it") {
    const TemporaryFolder folder("charrnn corpus ");
    CHECK_THROWS_AS(corpus::read_headers(false, folder.path()), charrnn::data_error);
    CHECK_THROWS_AS(corpus::read_full(folder.path("missing"), false), charrnn::data_error);
    CHECK_THROWS_WITH_AS(corpus::read_files(folder.path(), {"gone.h"}, false),
                         (folder.path("gone.h") + " cannot be read").c_str(), charrnn::io_error);
}

TEST_CASE("the headers of this machine are a corpus") {
    const auto text = corpus::read_headers(true);
    CHECK(text.train.size() > 3'000'000);
    CHECK(text.valid.size() > 100'000);
}

}  // namespace corpus_test
