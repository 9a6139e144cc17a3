#include "lckv/world/relation.h"

#include <iterator>

namespace lckv::world {

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kWhere:
      return "where";
    case Kind::kWho:
      return "who";
    case Kind::kWhy:
      return "why";
    case Kind::kWhat:
      return "what";
  }
  return "";
}

const std::vector<Relation>& relations() {
  static const std::vector<Relation> all = [] {
    std::vector<Relation> joined;
    for (auto part : {animal_relations, work_relations, household_relations, nature_relations,
                      cause_relations, told_relations}) {
      std::vector<Relation> more = part();
      joined.insert(joined.end(), std::make_move_iterator(more.begin()),
                    std::make_move_iterator(more.end()));
    }
    return joined;
  }();
  return all;
}

}  // namespace lckv::world
