# cmake -Dpart=FILE -Dwhole=FILE -P contains.cmake: fails unless `whole` contains `part` word for word.
file(READ "${part}" inner)
file(READ "${whole}" outer)
string(FIND "${outer}" "${inner}" at)
if(at EQUAL -1)
    message(FATAL_ERROR "${whole} does not contain ${part}: bring the two together")
endif()
