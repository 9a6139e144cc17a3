#include "lckv/world/names.h"

namespace lckv::world {

const std::vector<Person>& people() {
  static const std::vector<Person> all = [] {
    std::vector<Person> persons;
    for (const char* name :
         {"Anna", "Mia",   "Lily",  "Emma",  "Sara",  "Lucy", "Nina", "Rosa",  "Ella", "Clara",
          "Ida",  "Julia", "Maria", "Grace", "Alice", "Eva",  "Ruth", "Helen", "Jane", "Kate"}) {
      persons.push_back({name, true});
    }
    for (const char* name :
         {"Tom",   "Ben",   "Max",   "Leo",   "Sam",   "Paul", "Jack", "Peter", "Adam", "Noah",
          "Felix", "Oscar", "David", "Simon", "Henry", "Luke", "Mark", "Hugo",  "Karl", "John"}) {
      persons.push_back({name, false});
    }
    return persons;
  }();
  return all;
}

const std::vector<std::string>& things() {
  static const std::vector<std::string> all = {"ball",  "kite",   "doll",    "drum",
                                               "boat",  "robot",  "whistle", "puzzle",
                                               "teddy", "marble", "train",   "rocket"};
  return all;
}

const std::vector<std::string>& places() {
  static const std::vector<std::string> all = {"kitchen", "garden", "cellar", "attic",
                                               "bedroom", "yard",   "garage", "hall",
                                               "orchard", "meadow", "tent",   "office"};
  return all;
}

const std::vector<std::string>& colours() {
  static const std::vector<std::string> all = {"red",   "blue",  "green",  "yellow",
                                               "white", "black", "orange", "purple"};
  return all;
}

}  // namespace lckv::world
