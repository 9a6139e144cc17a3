#include "lckv/world/relation.h"

namespace lckv::world {

namespace {

Relation job_place() {
  return {.name = "job place",
          .kind = Kind::kWhere,
          .facts = {{"baker", "bakery"},
                    {"teacher", "school"},
                    {"doctor", "hospital"},
                    {"farmer", "farm"},
                    {"cook", "restaurant"},
                    {"pilot", "airport"},
                    {"singer", "theatre"},
                    {"fisherman", "harbour"},
                    {"carpenter", "workshop"},
                    {"librarian", "library"},
                    {"smith", "forge"},
                    {"banker", "bank"},
                    {"judge", "court"},
                    {"miller", "mill"},
                    {"king", "palace"},
                    {"monk", "convent"}},
          .templates = {"the [father|uncle|neighbour] of {who} is a {s}. Every [morning|day] the "
                        "{s} goes to work at the {a}.",
                        "{who} wanted to talk to the {s}. So {he} went to the {a}. [The {s} was "
                        "there|There {he} met the {s}].",
                        "\"when I grow up I will be a {s},\" said {who}. \"Then you will work at "
                        "the {a},\" said {friend}.",
                        "{who} and {friend} visited a {s} at work. They [saw|liked] the {a}."}};
}

Relation job_does() {
  return {.name = "job does",
          .kind = Kind::kWhat,
          .facts = {{"baker", "bakes bread"},
                    {"teacher", "teaches children"},
                    {"doctor", "heals the sick"},
                    {"farmer", "grows wheat"},
                    {"cook", "makes soup"},
                    {"pilot", "flies planes"},
                    {"barber", "cuts hair"},
                    {"painter", "paints pictures"},
                    {"tailor", "sews coats"},
                    {"gardener", "plants flowers"},
                    {"librarian", "lends books"},
                    {"fisherman", "catches fish"},
                    {"carpenter", "builds tables"},
                    {"singer", "sings songs"},
                    {"writer", "writes stories"},
                    {"miller", "grinds corn"},
                    {"shepherd", "guards sheep"},
                    {"driver", "drives a bus"}},
          .templates = {
              "{who} met a {s}. \"What does a {s} do?\" {he} asked. \"A {s} is someone who {a},\" "
              "said {friend}.",
              "the [mother|aunt|neighbour] of {who} is a {s}. [All day|Every day] the {s} {a}.",
              "{who} likes to watch the {s}. {he} looks how the {s} {a}."}};
}

Relation job_helps() {
  return {
      .name = "job helps",
      .kind = Kind::kWho,
      .facts = {{"{who} had a bad tooth", "dentist"},
                {"{who} had a fever", "doctor"},
                {"the hair of {who} was too long", "barber"},
                {"{who} wanted fresh bread", "baker"},
                {"{who} had a table with a broken leg", "carpenter"},
                {"{who} wanted to learn to read", "teacher"},
                {"{who} had a clock that had stopped", "clockmaker"},
                {"{who} had a coat with a hole", "tailor"},
                {"{who} wanted to borrow a book", "librarian"},
                {"the roses of {who} did not grow", "gardener"},
                {"the horse of {who} had lost a shoe", "smith"},
                {"{who} wanted fresh fish", "fisherman"},
                {"water ran from a pipe in the house of {who}", "plumber"},
                {"{who} wanted a picture for the wall", "painter"},
                {"the house of {who} was on fire", "fireman"},
                {"someone had robbed {who}", "policeman"}},
      .templates = {
          "{s}. So {he} went to see the {a}. [Soon all was well|That was the right thing to do].",
          "{s}. \"You need help from the {a},\" said {friend}.",
          "one day {s}. {friend} [told {him} to call|ran to get] the {a}."}};
}

Relation job_tool() {
  return {
      .name = "job tool",
      .kind = Kind::kWhat,
      .facts = {{"teacher", "chalk"},
                {"painter", "brush"},
                {"barber", "scissors"},
                {"tailor", "needle"},
                {"fisherman", "net"},
                {"gardener", "spade"},
                {"carpenter", "hammer"},
                {"baker", "oven"},
                {"writer", "pen"},
                {"fireman", "hose"},
                {"farmer", "plough"},
                {"king", "crown"},
                {"drummer", "drumsticks"},
                {"waiter", "tray"}},
      .templates = {"{who} helped a {s}. [Carefully|Quickly] {he} brought the {s} the {a}.",
                    "\"may I be a {s}?\" asked {who}. {friend} laughed. \"A {s} needs the {a},\" "
                    "{friend_he} said.",
                    "{who} [drew|painted] a picture of a {s}. Beside the {s} {he} drew the {a}."}};
}

}  // namespace

std::vector<Relation> work_relations() {
  return {job_place(), job_does(), job_helps(), job_tool()};
}

}  // namespace lckv::world
