// Together with b.cpp: everything is included in two translation units of one program.
#include <charrnn/charrnn.hpp>
#include <charrnn/version.hpp>

int version_seen_by_b();

int main() { return version_seen_by_b() == CHARRNN_VERSION_MINOR ? 0 : 1; }
