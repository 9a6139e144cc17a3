# arguments: reStructuredText or plain files, perhaps compressed.  stdout: the prose of each, as a document ended by a
# zero byte: paragraphs of whole sentences. Directives, literal blocks, tables, field lists and headings are left out.
use strict;
use warnings;

sub without_markup {
  my ($text) = @_;
  $text =~ s/:[\w:+-]+:`([^`<]*?)\s*<[^`>]*>`/$1/g;  # :ref:`words <target>`
  $text =~ s/:[\w:+-]+:`([^`]*)`/$1/g;               # :c:func:`name`
  $text =~ s/`([^`<]*?)\s*<[^`>]*>`__?/$1/g;         # `words <address>`_
  $text =~ s/``([^`]*)``/$1/g;
  $text =~ s/`([^`]*)`_{0,2}/$1/g;
  $text =~ s/\*\*([^*]+)\*\*/$1/g;
  $text =~ s/(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])/$1/g;
  $text =~ s/\s*\[(?:#?\w+|\d+)\]_//g;               # footnotes
  $text =~ s/\\(.)/$1/g;
  $text =~ s/::$/:/;
  return $text;
}

sub is_prose {
  my ($text) = @_;
  my $words = () = $text =~ /(?<![\w\/])[A-Za-z]{2,}(?![\w\/(])/g;
  my $pieces = () = $text =~ /\S+/g;
  return $words >= 8 && $words > 0.75 * $pieces && $text =~ /[.!?:]["')]?$/ && $text !~ /[{};=|]{2}|[{}|]|;$|->/;
}

sub indent_of { my ($line) = @_; return length(($line =~ /^( *)/)[0]) }

sub prose_of {
  my (@lines) = @_;
  my (@paragraphs, @paragraph);
  my $skip_above = -1;  # leave out lines indented deeper than this
  my $end = sub {
    my $text = without_markup(join ' ', map { s/^ +//r } @paragraph);
    @paragraph = ();
    $text =~ s/^(?:[-*+o]|\(?\w{1,2}[.)])\s+//;      # list marks
    push @paragraphs, $text if is_prose($text);
  };
  for my $line (@lines) {
    $line =~ s/\s+$//;
    1 while $line =~ s/^( *)\t/$1        /;
    if ($line eq '') { $end->() if @paragraph; next }
    if ($skip_above >= 0) {
      next if indent_of($line) > $skip_above;
      $skip_above = -1;
    }
    my $indent = indent_of($line);
    if ($line =~ /^ *\.\. (?!note|warning|important|tip|caution|hint|attention)/ || $line =~ /^ *\.\.$/) {
      $end->() if @paragraph;
      $skip_above = $indent;
    } elsif ($line =~ /^ *([-=~^"'#*+.:_`])\1{2,}$/) {
      @paragraph = ();                               # a heading is underlined
    } elsif ($line =~ /^ *(?:\+[-=]+|\||=+ +=+|:[\w -]+:(?: |$)|\.\. )/) {
      $end->() if @paragraph;
    } else {
      if (@paragraph && $line =~ /^ *(?:[-*+]|\d+[.)]) /) { $end->() }
      push @paragraph, $line;
      $skip_above = indent_of($paragraph[0]) if $line =~ /::$/;
    }
  }
  $end->() if @paragraph;
  return @paragraphs;
}

for my $file (@ARGV) {
  open(my $in, '-|', 'zcat', '-f', $file) or die "$file: cannot be read: $!\n";
  my @paragraphs = prose_of(<$in>);
  close($in) or die "$file: cannot be read\n";
  print join("\n\n", @paragraphs), "\0" if @paragraphs;
}
