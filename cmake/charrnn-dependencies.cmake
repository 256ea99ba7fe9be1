# Finds what the headers need; read by the build and by the installed package alike.
# Sets charrnn_dependencies_ok and, if that is false, charrnn_dependencies_message.
#
#   xtensor                its own target
#   charrnn::xtensor-blas  the headers only: its CMake package would link whatever BLAS and LAPACK it comes across
#   charrnn::nlohmann-json the header only, which reads the headers of model files
#   charrnn::openblas      by name. libblas.so.3 is switchable at run time and may be the slow reference BLAS
#   Threads::Threads
#
# and makes charrnn::native, which needs nothing but the compiler.

set(charrnn_dependencies_ok TRUE)
set(charrnn_dependencies_message "charrnn needs what was not found:")
macro(_charrnn_missing what package)
    set(charrnn_dependencies_ok FALSE)
    string(APPEND charrnn_dependencies_message "\n  ${what} (Debian and Ubuntu: ${package})")
endmacro()

# Imported targets are visible in the folder that finds them and below. A program that adds charrnn with
# add_subdirectory links from above, so those that are found here are made global.
set(_charrnn_found_before)
foreach(_charrnn_target IN ITEMS xtensor xtl xsimd Threads::Threads)
    if(TARGET ${_charrnn_target})
        list(APPEND _charrnn_found_before ${_charrnn_target})
    endif()
endforeach()

if(NOT TARGET xtensor)
    # No version here: xtensor's package takes every 0.x to be incompatible with the one before.
    find_package(xtensor QUIET)
    if(NOT xtensor_FOUND)
        _charrnn_missing("xtensor 0.24 or newer" libxtensor-dev)
    elseif(xtensor_VERSION VERSION_LESS 0.24)
        _charrnn_missing("xtensor 0.24 or newer, not the ${xtensor_VERSION} that was found" libxtensor-dev)
    endif()
endif()

find_path(CHARRNN_XTENSOR_BLAS_INCLUDE_DIR xtensor-blas/xblas.hpp DOC "Where xtensor-blas/xblas.hpp is")
mark_as_advanced(CHARRNN_XTENSOR_BLAS_INCLUDE_DIR)
if(NOT CHARRNN_XTENSOR_BLAS_INCLUDE_DIR)
    _charrnn_missing("xtensor-blas" libxtensor-blas-dev)
elseif(NOT TARGET charrnn::xtensor-blas)
    add_library(charrnn::xtensor-blas INTERFACE IMPORTED GLOBAL)
    set_target_properties(
        charrnn::xtensor-blas PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${CHARRNN_XTENSOR_BLAS_INCLUDE_DIR}"
    )
endif()

find_path(CHARRNN_NLOHMANN_JSON_INCLUDE_DIR nlohmann/json.hpp DOC "Where nlohmann/json.hpp is")
mark_as_advanced(CHARRNN_NLOHMANN_JSON_INCLUDE_DIR)
if(NOT CHARRNN_NLOHMANN_JSON_INCLUDE_DIR)
    _charrnn_missing("nlohmann-json 3" nlohmann-json3-dev)
elseif(NOT TARGET charrnn::nlohmann-json)
    add_library(charrnn::nlohmann-json INTERFACE IMPORTED GLOBAL)
    set_target_properties(
        charrnn::nlohmann-json PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${CHARRNN_NLOHMANN_JSON_INCLUDE_DIR}"
    )
endif()

find_library(CHARRNN_OPENBLAS_LIBRARY NAMES openblas libopenblas DOC "The OpenBLAS library")
mark_as_advanced(CHARRNN_OPENBLAS_LIBRARY)
if(NOT CHARRNN_OPENBLAS_LIBRARY)
    _charrnn_missing("OpenBLAS" libopenblas-dev)
elseif(NOT TARGET charrnn::openblas)
    add_library(charrnn::openblas UNKNOWN IMPORTED GLOBAL)
    set_target_properties(charrnn::openblas PROPERTIES IMPORTED_LOCATION "${CHARRNN_OPENBLAS_LIBRARY}")
endif()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads QUIET)
if(NOT Threads_FOUND)
    _charrnn_missing("POSIX threads" libc6-dev)
endif()

foreach(_charrnn_target IN ITEMS xtensor xtl xsimd Threads::Threads)
    if(TARGET ${_charrnn_target} AND NOT _charrnn_target IN_LIST _charrnn_found_before)
        get_target_property(_charrnn_imported ${_charrnn_target} IMPORTED)
        if(_charrnn_imported)
            set_target_properties(${_charrnn_target} PROPERTIES IMPORTED_GLOBAL TRUE)
        endif()
    endif()
endforeach()

# The machine's own instructions are a choice of the program, never of the library: what is compiled with them
# does not run elsewhere. Whether the compiler knows the flag is asked where the program is built.
if(NOT TARGET charrnn::native)
    include(CheckCXXCompilerFlag)
    check_cxx_compiler_flag(-march=native CHARRNN_HAS_MARCH_NATIVE)
    add_library(charrnn::native INTERFACE IMPORTED GLOBAL)
    if(CHARRNN_HAS_MARCH_NATIVE)
        set_target_properties(charrnn::native PROPERTIES INTERFACE_COMPILE_OPTIONS -march=native)
    endif()
endif()
