# What is installed, and the Debian package. Headers and text only, the same on every machine: so everything is under
# include/ and share/, and an installed tree may be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(charrnn_cmake_dir "${CMAKE_INSTALL_DATADIR}/cmake/charrnn")
set(charrnn_pkgconfig_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")

install(DIRECTORY include/charrnn DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp" PATTERN "compiled.cpp")
install(TARGETS charrnn EXPORT charrnn-targets)
install(EXPORT charrnn-targets NAMESPACE charrnn:: DESTINATION "${charrnn_cmake_dir}")
configure_package_config_file(
    cmake/charrnn-config.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/charrnn-config.cmake"
    INSTALL_DESTINATION "${charrnn_cmake_dir}"
)
# Before 1.0 every minor version may break.
write_basic_package_version_file(
    "${CMAKE_CURRENT_BINARY_DIR}/charrnn-config-version.cmake" COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT
)
install(
    FILES "${CMAKE_CURRENT_BINARY_DIR}/charrnn-config.cmake"
          "${CMAKE_CURRENT_BINARY_DIR}/charrnn-config-version.cmake"
          cmake/charrnn-compiled.cmake
          cmake/charrnn-dependencies.cmake
    DESTINATION "${charrnn_cmake_dir}"
)

file(
    RELATIVE_PATH charrnn_prefix_from_pkgconfig "/prefix/${charrnn_pkgconfig_dir}" "/prefix"
)
string(REGEX REPLACE "/$" "" charrnn_prefix_from_pkgconfig "${charrnn_prefix_from_pkgconfig}")
configure_file(cmake/charrnn.pc.in "${CMAKE_CURRENT_BINARY_DIR}/charrnn.pc" @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/charrnn.pc" DESTINATION "${charrnn_pkgconfig_dir}")
# Under the Debian package's name, where Debian looks for it.
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/libcharrnn-dev" RENAME copyright)

# ---- the Debian package: cpack -G DEB, or cmake --workflow --preset package -----------------------------------------

set(CPACK_PACKAGE_NAME libcharrnn-dev)
set(CPACK_PACKAGE_VENDOR charrnn)
set(CPACK_PACKAGE_CONTACT "The charrnn developers <charrnn@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DESCRIPTION
    "Reads a text, trains a recurrent network to predict the next character, and writes new text in the same manner.
 Layers are composed as in Flux; cells of one's own are checked against numeric gradients.")
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_DEPENDS
    "libxtensor-dev (>= 0.24), libxtensor-blas-dev (>= 0.20), libopenblas-dev, nlohmann-json3-dev (>= 3.9)")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "g++ (>= 4:12) | clang (>= 1:14)")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)
include(CPack)
