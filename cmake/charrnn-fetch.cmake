# Fetches those of the header-only dependencies that are not found, at the versions that the tests run with.
# OpenBLAS is a library and has to be there. Only the headers are used: nothing of the fetched projects is built.
#
# FETCHCONTENT_SOURCE_DIR_XTENSOR and its like name a folder to take instead of fetching.
include(FetchContent)

# Sets charrnn_fetched_NAME to the include folder of a project at a tag.
macro(_charrnn_fetch name repository tag)
    FetchContent_Declare(
        charrnn_${name} GIT_REPOSITORY "${repository}" GIT_TAG "${tag}" GIT_SHALLOW TRUE
        SOURCE_SUBDIR not-to-be-built  # a folder without CMakeLists.txt: fetched, and not added to the build
    )
    string(TOUPPER "${name}" _charrnn_upper)
    if(FETCHCONTENT_SOURCE_DIR_${_charrnn_upper})
        set(FETCHCONTENT_SOURCE_DIR_CHARRNN_${_charrnn_upper} "${FETCHCONTENT_SOURCE_DIR_${_charrnn_upper}}")
    endif()
    FetchContent_MakeAvailable(charrnn_${name})
    set(charrnn_fetched_${name} "${charrnn_${name}_SOURCE_DIR}/include")
endmacro()

if(NOT TARGET xtensor)
    find_package(xtensor QUIET)
    if(NOT xtensor_FOUND)
        _charrnn_fetch(xtl https://github.com/xtensor-stack/xtl.git 0.7.4)
        _charrnn_fetch(xtensor https://github.com/xtensor-stack/xtensor.git 0.24.3)
        add_library(xtensor INTERFACE IMPORTED GLOBAL)
        set_target_properties(
            xtensor PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${charrnn_fetched_xtensor};${charrnn_fetched_xtl}"
        )
    endif()
endif()

find_path(CHARRNN_XTENSOR_BLAS_INCLUDE_DIR xtensor-blas/xblas.hpp DOC "Where xtensor-blas/xblas.hpp is")
if(NOT CHARRNN_XTENSOR_BLAS_INCLUDE_DIR)
    _charrnn_fetch(xtensor_blas https://github.com/xtensor-stack/xtensor-blas.git 0.20.0)
    set(CHARRNN_XTENSOR_BLAS_INCLUDE_DIR "${charrnn_fetched_xtensor_blas}" CACHE PATH "" FORCE)
endif()

find_path(CHARRNN_NLOHMANN_JSON_INCLUDE_DIR nlohmann/json.hpp DOC "Where nlohmann/json.hpp is")
if(NOT CHARRNN_NLOHMANN_JSON_INCLUDE_DIR)
    _charrnn_fetch(nlohmann_json https://github.com/nlohmann/json.git v3.11.2)
    set(CHARRNN_NLOHMANN_JSON_INCLUDE_DIR "${charrnn_fetched_nlohmann_json}" CACHE PATH "" FORCE)
endif()
