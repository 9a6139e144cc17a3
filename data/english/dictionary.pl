# stdin: gcide.dict.  stdout: all entries of one head word as a document, ended by a zero byte.
#
# An entry starts at column 0, `Word \Pro*nun"ci*a`tion\, n. [origin]`, and goes on in indented blocks: senses, notes,
# quotations with their author flush right. Marks that are no English go: pronunciation, origin and source
# in brackets, braces of cross-references, authors of quotations.
use strict;
use warnings;

my ($word, @paragraphs, @block) = ('');

sub clean {
  my ($text) = @_;
  $text =~ s/\s+/ /g;
  $text =~ s/\\[^\\]*\\\s*(?:\([^()]*\))?//g;           # pronunciation
  $text =~ s/\[(?:['`"^~=,.*-]|\W)\s?([A-Za-z]{1,2})\]/$1/g;   # a letter with its accent, [`e]
  $text =~ s/\[([A-Za-z])[^\w\s\]]\]/$1/g;              # [o^]
  $text =~ s/\[(ae|oe|AE|OE)\]/$1/g;
  1 while $text =~ s/\[[^\[\]]*\]//g;                   # origin, usage, source; innermost first
  $text =~ s/[{}]//g;
  $text =~ s/\s+--\s*[A-Z][\w.,:'&() ]{0,50}$//;        # author
  $text =~ s/\s*--\s*\S*\w[*"`]\S*,[a-z. ]*$//;           # pronunciation of a derived word
  $text =~ s/ {2,}/ /g;
  $text =~ s/ ([,.;:)])/$1/g;
  $text =~ s/^ | $//g;
  $text =~ s/^(?:,\s*)+//;
  return $text;
}

sub end_block {
  my $text = clean(join(' ', @block));
  @block = ();
  # Marks of unknown letters and unbalanced brackets: the block is damaged.
  push @paragraphs, $text if $text =~ /[a-z]{2}/ && $text !~ /\?\?|[\[\]\\]/;
}

sub end_document {
  print join("\n", @paragraphs), "\0" if @paragraphs;
  @paragraphs = ();
}

my $inside = 0;
while (my $line = <STDIN>) {
  chomp $line;
  if ($line =~ /^(\S[^\\]*?)\s*\\.*/) {
    my $head = $1;
    end_block();
    end_document() if lc $head ne lc $word;
    ($word, $inside) = ($head, 1);
    @block = ($line);
  } elsif ($line =~ /^\S/) {  # the preface, and notices between the letters
    $inside = 0 if !@block;
    push @block, $line if $inside;
  } elsif ($line =~ /^\s*$/) {
    end_block();
  } elsif ($inside) {
    push @block, $line;
  }
}
end_block();
end_document();
