#include <charrnn/charrnn.hpp>
#include <charrnn/version.hpp>

int version_seen_by_b();

int version_seen_by_b() { return CHARRNN_VERSION_MINOR; }
