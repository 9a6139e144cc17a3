# stdin: one verse per line, "Ge1:1 In the beginning ...".  stdout: one chapter per document, ended by a zero byte.
use strict;
use warnings;

my ($chapter, @verses) = ('');
sub flush_chapter { print join(' ', @verses), "\0" if @verses; @verses = () }

while (my $line = <STDIN>) {
  my ($reference, $words) = $line =~ /^(\S+):\d+\s+(.*\S)/ or next;
  flush_chapter() if $reference ne $chapter;
  $chapter = $reference;
  push @verses, $words;
}
flush_chapter();
