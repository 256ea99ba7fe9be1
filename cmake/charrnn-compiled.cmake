# charrnn::compiled, read by the build and by the installed package alike: the headers, and beside them a library of what is
# the same in every program: charrnn's own layers and optimisers, and all that is no template. A program that links with it
# compiles in a quarter of the time.
# It belongs to the program's own build, with its compiler and flags, and is made only if something links with it. It is
# optimised in any case, so that a program that is being debugged trains at full speed.
if(NOT TARGET charrnn_compiled)
    set(_charrnn_instances "${CMAKE_CURRENT_BINARY_DIR}/charrnn_instances.cpp")
    file(CONFIGURE OUTPUT "${_charrnn_instances}" CONTENT "#include <charrnn/compiled.cpp>\n" @ONLY)
    add_library(charrnn_compiled STATIC EXCLUDE_FROM_ALL "${_charrnn_instances}")
    add_library(charrnn::compiled ALIAS charrnn_compiled)
    set_target_properties(charrnn_compiled PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_compile_options(charrnn_compiled PRIVATE $<$<NOT:$<CONFIG:Release,RelWithDebInfo,MinSizeRel>>:-O2>)
    target_compile_definitions(charrnn_compiled INTERFACE CHARRNN_COMPILED)
    target_link_libraries(charrnn_compiled PUBLIC charrnn::charrnn)
endif()
